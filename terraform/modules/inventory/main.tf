# The list of what the bank needs on AWS. `make gen` writes it from the functions, workers and subscriptions, so
# nothing of it is named a second time in this folder.
locals {
  list = jsondecode(file("${path.module}/../../../infra/aws/inventory.json"))
}
