output "bank" {
  description = "What an operator needs after the apply (docs/terraform.md)."
  value       = module.bank
}
