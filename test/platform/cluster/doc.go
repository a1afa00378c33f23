// Command cluster runs the bank on a real Kubernetes with Knative, on one machine and
// without Docker, and checks there what no other test can show (docs/knative.md).
//
//	make test-knative [ARGS="--only demo,forged --keep"]
//
// It builds Kubernetes, etcd, CoreDNS, Knative and the bank's images into build/cluster,
// and starts them in namespaces of their own: processes, mounts, network and cgroups.
// Nothing of it is seen outside, and all of it ends with the command. PostgreSQL, Redis
// and the SMS simulator run beside the cluster, as a bank's own stores do. Each check
// prints one line: KNATIVE <check> ok, or KNATIVE <check> FAILED <why>.
//
// The command has three parts. The outer process builds, makes the namespaces, and
// cleans up. The node runs inside them: it is the machine on which Kubernetes runs. The
// checks run beside the node, as an operator and a customer would.
package main
