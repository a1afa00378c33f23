output "vault_arn" {
  description = "ARN of the vault."
  value       = aws_backup_vault.this.arn
}

output "copies" {
  description = "Vaults that take copies of the snapshots."
  value       = flatten([for p in aws_backup_plan.this : [for r in p.rule : [for c in r.copy_action : c.destination_vault_arn]]])
}
