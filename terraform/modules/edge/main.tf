# The bank's only door: a load balancer that passes TCP 443 on to the ingress gateway. It opens no TLS, so that TLCP or
# TLS ends at the bank's gateway with the bank's key.
resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:a network load balancer logs accesses only where it opens TLS; the network's log has each connection
  name               = var.name
  load_balancer_type = "network"
  internal           = false
  subnets            = var.subnet_ids
  security_groups    = [var.security_group_id]

  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = true
  enable_zonal_shift               = true
}

# The cluster's controller registers the gateway's pods here (TargetGroupBinding).
resource "aws_lb_target_group" "gateway" {
  name                 = "${var.name}-gateway"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "TCP"
  port                 = var.gateway_port
  preserve_client_ip   = true
  deregistration_delay = 60

  health_check {
    protocol            = "TCP"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }

  # Where no target of a zone is healthy, the zone's address leaves the DNS answer.
  target_group_health {
    dns_failover {
      minimum_healthy_targets_count = "1"
    }
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "TCP"
  port              = 443

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.gateway.arn
  }
}
