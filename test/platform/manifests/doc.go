// Package manifests checks the manifests of infra/knative as Knative itself does. It
// renders each overlay, decodes every document strictly into Knative's and Kubernetes'
// own types, and runs their defaults and validation.
//
// It is a module of its own, so that the bank does not depend on Kubernetes.
package manifests
