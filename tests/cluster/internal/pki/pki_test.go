package pki

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestWhatTheAuthorityIssuesIsTrusted(t *testing.T) {
	authority, err := Authority(t.TempDir(), "ca")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate)
	server, err := Issue(authority, Request{CommonName: "server", Names: []string{"localhost"}, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1"} {
		if _, err := server.Certificate.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
			t.Errorf("a client that connects to %s refuses the server: %v", name, err)
		}
	}
	client, err := Issue(authority, Request{CommonName: "admin", Organizations: []string{"system:masters"}})
	if err != nil {
		t.Fatal(err)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := client.Certificate.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: usages}); err != nil {
		t.Errorf("the API server refuses the client: %v", err)
	}
	if _, err := server.Certificate.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: usages}); err == nil {
		t.Error("a server's certificate passes for a client's")
	}
}

func TestTheAuthorityLastsUnlessItWasCutOff(t *testing.T) {
	folder := t.TempDir()
	first, err := Authority(folder, "ca")
	if err != nil {
		t.Fatal(err)
	}
	second, err := Authority(folder, "ca")
	if err != nil || !second.Certificate.Equal(first.Certificate) {
		t.Errorf("the authority was made anew (%v): kubeconfigs that were handed out would break", err)
	}
	if err := os.Truncate(filepath.Join(folder, "ca.crt"), 10); err != nil {
		t.Fatal(err)
	}
	if third, err := Authority(folder, "ca"); err != nil || third.Certificate.Equal(first.Certificate) {
		t.Errorf("a certificate that was cut off is not made anew (%v)", err)
	}
}
