// Package tofu pins OpenTofu, which `make tf-check` builds from source into build/bin. It is a module of its own, so that
// none of its dependencies touches the bank.
package tofu
