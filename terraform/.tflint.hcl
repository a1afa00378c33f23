# The rules of tflint's own set for Terraform, all of them. The set for AWS is not to be had as a Go module; the schema of
# the provider and checkov stand in its place.
tflint {
  required_version = ">= 0.60"
}

plugin "terraform" {
  enabled = true
  preset  = "all"
}

# Modules of this folder are named by path; nothing comes from a registry.
rule "terraform_module_pinned_source" {
  enabled = false
}

# Files are named after what they hold (firewall.tf, rules.tf), beside main.tf, variables.tf and outputs.tf.
rule "terraform_standard_module_structure" {
  enabled = true
}
