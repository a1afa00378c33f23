package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// kubernetes starts etcd and the parts of Kubernetes.
func (n *node) kubernetes(ctx context.Context) error {
	if err := n.certify(); err != nil {
		return err
	}
	config := func(name string) string { return filepath.Join(n.run(), "config", name) }
	const etcd = "http://127.0.0.1:2379"
	err := n.start("etcd", "kube/etcd", "--data-dir", "/run/etcd", "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--unsafe-no-fsync")
	if err != nil {
		return err
	}
	if err := os.WriteFile(config("tokens.csv"), []byte("admin,admin,admin,system:masters\n"), 0o600); err != nil {
		return err
	}
	err = n.start("apiserver", "kube/kube-apiserver", "--etcd-servers="+etcd, "--bind-address="+address,
		"--advertise-address="+address, "--tls-cert-file="+config("api.crt"), "--tls-private-key-file="+config("api.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+config("accounts.key"), "--service-account-signing-key-file="+config("accounts.key"),
		"--token-auth-file="+config("tokens.csv"), "--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range="+services, "--enable-aggregator-routing=true", "--allow-privileged=true")
	if err != nil {
		return err
	}
	if err := n.start("containerd", "containerd", "-c", config("containerd.toml")); err != nil {
		return err
	}
	err = until(ctx, 2*time.Minute, "the API server is ready", func() (bool, error) {
		_, err := n.kubectl(ctx, "", "get", "--raw", "/readyz")
		return err == nil, err
	})
	if err != nil {
		return err
	}
	kubeconfig := "--kubeconfig=" + n.kubeconfig()
	for _, part := range [][]string{
		{
			"kube-controller-manager", kubeconfig, "--leader-elect=false", "--use-service-account-credentials",
			"--service-account-private-key-file=" + config("accounts.key"), "--root-ca-file=" + config("ca.crt"),
			"--bind-address=127.0.0.1", "--cert-dir=/run/controller",
		},
		{"kube-scheduler", kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1", "--cert-dir=/run/scheduler"},
		{
			"kube-proxy", kubeconfig, "--proxy-mode=iptables", "--cluster-cidr=10.88.0.0/16", "--hostname-override=node1",
			"--bind-address=" + address, "--metrics-bind-address=127.0.0.1:10249", "--conntrack-max-per-core=0",
		},
		{
			"kubelet", "--config=" + config("kubelet.yaml"), kubeconfig, "--root-dir=/run/kubelet", "--cert-dir=/run/kubelet/pki",
			"--hostname-override=node1", "--node-ip=" + address, "--v=2",
		},
	} {
		if err := n.start(part[0], "kube/"+part[0], part[1:]...); err != nil {
			return err
		}
	}
	if err := n.start("dns", "dns/dns", "-conf", config("Corefile")); err != nil {
		return err
	}
	_, err = n.kubectl(ctx, "", "wait", "--for=create", "node/node1", "--timeout=60s")
	if err == nil {
		_, err = n.kubectl(ctx, "", "wait", "--for=condition=Ready", "node/node1", "--timeout=60s")
	}
	return err
}

// certify makes the cluster's CA, the API server's certificate, and the key that signs
// the tokens of service accounts.
func (n *node) certify() error {
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test-ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	const service = "kubernetes.default.svc"
	api := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"kubernetes", "kubernetes.default", service, service + ".cluster.local"},
		IPAddresses: []net.IP{net.ParseIP("10.96.0.1"), net.ParseIP(address)},
	}
	apiKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	apiDER, err := x509.CreateCertificate(rand.Reader, api, ca, apiKey.Public(), caKey)
	if err != nil {
		return err
	}
	apiSecret, err := x509.MarshalECPrivateKey(apiKey)
	if err != nil {
		return err
	}
	accountsSecret, err := x509.MarshalECPrivateKey(accounts)
	if err != nil {
		return err
	}
	for name, block := range map[string]pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: caDER}, "api.crt": {Type: "CERTIFICATE", Bytes: apiDER},
		"api.key": {Type: "EC PRIVATE KEY", Bytes: apiSecret}, "accounts.key": {Type: "EC PRIVATE KEY", Bytes: accountsSecret},
	} {
		if err := os.WriteFile(filepath.Join(n.run(), "config", name), pem.EncodeToMemory(&block), 0o600); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
