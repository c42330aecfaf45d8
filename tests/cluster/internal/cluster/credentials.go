package cluster

import (
	"fmt"
	"net"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"uninlu.dev/testcluster/internal/pki"
)

const contextName = "uninlu-test"

// makeCredentials writes pki/: the authorities (kept), the servers' certificates and one kubeconfig for each client.
func (c *Cluster) makeCredentials(address net.IP) error {
	folder := c.path("pki")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	authority, err := pki.Authority(folder, "ca")
	if err != nil {
		return err
	}
	frontProxy, err := pki.Authority(folder, "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := pki.ServiceAccountKeys(folder, "sa"); err != nil {
		return err
	}
	for _, certificate := range certificates(address) {
		signer := authority
		if certificate.file == "front-proxy-client" {
			signer = frontProxy
		}
		pair, err := pki.Issue(signer, certificate.request)
		if err != nil {
			return fmt.Errorf("certificate %s: %w", certificate.file, err)
		}
		if err := pki.Write(folder, certificate.file, pair); err != nil {
			return err
		}
	}
	return c.writeKubeconfigs(authority)
}

type certificate struct {
	file    string
	request pki.Request
}

func certificates(address net.IP) []certificate {
	loopback := net.IPv4(127, 0, 0, 1)
	return []certificate{
		{"apiserver", pki.Request{
			CommonName: "kube-apiserver",
			Names:      []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
			Addresses:  []net.IP{loopback, net.IPv4(10, 96, 0, 1), address},
		}},
		{"apiserver-kubelet", pki.Request{CommonName: "kube-apiserver-kubelet-client", Organizations: []string{"system:masters"}}},
		{"front-proxy-client", pki.Request{CommonName: "front-proxy-client"}},
		{"kubelet-serving", pki.Request{
			CommonName: "system:node:" + nodeName, Organizations: []string{"system:nodes"},
			Names: []string{nodeName}, Addresses: []net.IP{loopback, address},
		}},
		// By these names the API server knows who serves the metrics APIs.
		{"metrics-server", pki.Request{CommonName: "metrics-server", Names: []string{"metrics-server.kube-system.svc"}}},
		{"prometheus-adapter", pki.Request{CommonName: "prometheus-adapter", Names: []string{"prometheus-adapter.kube-system.svc"}}},
	}
}

// clients are file name → who it is to the API server.
var clients = map[string]pki.Request{
	"admin":              {CommonName: "admin", Organizations: []string{"system:masters"}},
	"controller-manager": {CommonName: "system:kube-controller-manager"},
	"scheduler":          {CommonName: "system:kube-scheduler"},
	"proxy":              {CommonName: "system:kube-proxy"},
	"kubelet":            {CommonName: "system:node:" + nodeName, Organizations: []string{"system:nodes"}},
}

func (c *Cluster) clientConfig(client string) string { return c.path("pki", client+".kubeconfig") }

func (c *Cluster) writeKubeconfigs(authority pki.Pair) error {
	for name, request := range clients {
		pair, err := pki.Issue(authority, request)
		if err != nil {
			return err
		}
		if err := c.writeKubeconfig(c.clientConfig(name), name, authority, pair); err != nil {
			return err
		}
		if name != "admin" {
			continue
		}
		if err := c.writeKubeconfig(c.Kubeconfig(), name, authority, pair); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) writeKubeconfig(file, user string, authority, pair pki.Pair) error {
	key, err := pair.KeyPEM()
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[contextName] = &clientcmdapi.Cluster{
		Server: fmt.Sprintf("https://127.0.0.1:%d", c.settings.APIPort), CertificateAuthorityData: authority.CertificatePEM(),
	}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.CertificatePEM(), ClientKeyData: key}
	config.Contexts[contextName] = &clientcmdapi.Context{Cluster: contextName, AuthInfo: user}
	config.CurrentContext = contextName
	// Written with mode 0600.
	return clientcmd.WriteToFile(*config, file)
}

func (c *Cluster) client() (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.clientConfig("admin"))
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 200
	return kubernetes.NewForConfig(config)
}
