provider "aws" {
  region = "cn-north-1"
}

variables {
  name              = "tidebank"
  vpc_id            = "vpc-1"
  subnet_ids        = ["a", "b", "c"]
  security_group_id = "sg-edge"
  gateway_port      = 8443
}

run "one_door_on_443" {
  assert {
    condition     = aws_lb_listener.https.port == 443 && aws_lb_listener.https.protocol == "TCP" && aws_lb.this.security_groups == toset(["sg-edge"])
    error_message = "The edge opens another port, or has no rules."
  }

  assert {
    condition     = toset(aws_lb.this.subnets) == toset(var.subnet_ids) && aws_lb.this.enable_deletion_protection && aws_lb.this.enable_cross_zone_load_balancing
    error_message = "The edge does not stand in each zone, or can be deleted."
  }
}

run "one_zone" {
  command = plan

  variables {
    subnet_ids = ["a"]
  }

  expect_failures = [var.subnet_ids]
}
