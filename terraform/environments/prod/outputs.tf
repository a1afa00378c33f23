output "bank" {
  description = "What an operator needs after the apply (docs/terraform.md)."
  value       = module.bank
}

output "remote" {
  description = "The same of the remote region."
  value       = module.remote
}
