// Package openfaas checks the stack files of the bank as OpenFaaS' own tools do. It
// decodes them strictly into the types of faas-cli's SDK, makes the build contexts, and
// compiles every process out of one. Then it deploys these processes behind the proxy
// that OpenFaaS' providers use, with real PostgreSQL, and a customer goes through the
// demo.
//
// It is a module of its own, so that the bank does not depend on OpenFaaS' parts.
package openfaas
