package cluster

import (
	"context"
	"fmt"
	"net"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"uninlu.dev/testcluster/conf"
	"uninlu.dev/testcluster/internal/fault"
)

func (c *Cluster) startControlPlane(ctx context.Context) error {
	address, err := machineAddress()
	if err != nil {
		return err
	}
	if err := c.makeCredentials(address); err != nil {
		return err
	}
	if err := conf.Write("audit-policy.yaml", c.values(), c.path("conf", "audit-policy.yaml")); err != nil {
		return err
	}
	if err := c.runSelf("etcd", c.etcdFlags()); err != nil {
		return err
	}
	if err := c.runSelf("apiserver", c.apiserverFlags(address)); err != nil {
		return err
	}
	if err := c.await(ctx, "apiserver", "the API server was ready", c.apiserverReady); err != nil {
		return err
	}
	if err := c.runSelf("controller-manager", c.controllerManagerFlags()); err != nil {
		return err
	}
	if err := c.runSelf("scheduler", c.schedulerFlags()); err != nil {
		return err
	}
	// Until it exists, the API server refuses pods.
	return c.await(ctx, "controller-manager", "the default ServiceAccount was made", c.defaultServiceAccount)
}

// runSelf starts one of the programs in this very binary.
func (c *Cluster) runSelf(program string, flags []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return c.run(program, append([]string{self, program}, flags...)...)
}

func (c *Cluster) apiserverReady(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

func (c *Cluster) defaultServiceAccount(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
	return err
}

// machineAddress is an address of this machine that pods can reach. Nothing is sent: the kernel only looks up the route.
func machineAddress() (net.IP, error) {
	if connection, err := net.Dial("udp4", "198.51.100.1:9"); err == nil {
		defer connection.Close()
		return connection.LocalAddr().(*net.UDPAddr).IP, nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP, nil
		}
	}
	return nil, fault.New("this machine has no IPv4 address but loopback, and Kubernetes takes none of those", "ip address add 192.0.2.1/32 dev lo")
}

func (c *Cluster) etcdFlags() []string {
	client := fmt.Sprintf("http://127.0.0.1:%d", c.settings.EtcdPort)
	// The peer address is only a name: a cluster of one has no peers, and port 0 takes whichever is free.
	const peer = "http://127.0.0.1:2380"
	return []string{
		"--name=test", "--data-dir=" + c.path("etcd"), "--log-level=warn",
		// Without fsync: a test's data need not survive a power cut, and a slow disk must not make tests flaky.
		"--unsafe-no-fsync",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=http://127.0.0.1:0", "--initial-advertise-peer-urls=" + peer, "--initial-cluster=test=" + peer,
	}
}

func (c *Cluster) apiserverFlags(address net.IP) []string {
	pki := func(file string) string { return c.path("pki", file) }
	listen := "127.0.0.1"
	if c.settings.Size == Node {
		listen = "0.0.0.0" // pods reach it at the node's address
	}
	return []string{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", c.settings.EtcdPort),
		"--bind-address=" + listen, fmt.Sprintf("--secure-port=%d", c.settings.APIPort),
		"--advertise-address=" + address.String(), "--service-cluster-ip-range=" + serviceCIDR,
		"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"), "--client-ca-file=" + pki("ca.crt"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--service-account-key-file=" + pki("sa.pub"), "--service-account-signing-key-file=" + pki("sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--kubelet-client-certificate=" + pki("apiserver-kubelet.crt"), "--kubelet-client-key=" + pki("apiserver-kubelet.key"),
		"--kubelet-certificate-authority=" + pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		// Aggregated APIs (metrics) are reached at their endpoints: there need not be a kube-proxy here.
		"--enable-aggregator-routing=true",
		"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + pki("front-proxy-client.crt"), "--proxy-client-key-file=" + pki("front-proxy-client.key"),
		// Blocking: a request that was answered is in the log, so that a test may count at once.
		"--audit-policy-file=" + c.path("conf", "audit-policy.yaml"), "--audit-log-path=" + c.path("audit.log"), "--audit-log-mode=blocking",
		"--endpoint-reconciler-type=lease",
	}
}

func (c *Cluster) controllerManagerFlags() []string {
	pki := func(file string) string { return c.path("pki", file) }
	flags := []string{
		"--kubeconfig=" + c.clientConfig("controller-manager"), "--secure-port=0", "--leader-elect=false", "--use-service-account-credentials=true",
		// With the default limits the first ServiceAccount comes 5 s later.
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--root-ca-file=" + pki("ca.crt"), "--service-account-private-key-file=" + pki("sa.key"),
		"--cluster-signing-cert-file=" + pki("ca.crt"), "--cluster-signing-key-file=" + pki("ca.key"),
		"--allocate-node-cidrs=true", "--cluster-cidr=" + clusterCIDR, "--service-cluster-ip-range=" + serviceCIDR, "--controllers=*",
	}
	if c.settings.FastAutoscaler {
		flags = append(flags,
			"--horizontal-pod-autoscaler-sync-period=5s", "--horizontal-pod-autoscaler-downscale-stabilization=10s",
			"--horizontal-pod-autoscaler-initial-readiness-delay=5s", "--horizontal-pod-autoscaler-cpu-initialization-period=10s")
	}
	return flags
}

func (c *Cluster) schedulerFlags() []string {
	return []string{"--kubeconfig=" + c.clientConfig("scheduler"), "--secure-port=0", "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000"}
}
