run "everything_of_the_inventory" {
  assert {
    condition     = toset(keys(output.role_arns)) == toset([for f in jsondecode(file("../../../infra/aws/inventory.json")).functions : f.name])
    error_message = "The roles are not those of the inventory."
  }
}

run "aws_itself" {
  command = plan

  variables {
    endpoint = "https://sqs.us-east-1.amazonaws.com"
  }

  expect_failures = [var.endpoint]
}
