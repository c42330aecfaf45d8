package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"uninlu.dev/testcluster/conf"
	"uninlu.dev/testcluster/internal/fault"
	"uninlu.dev/testcluster/internal/image"
	"uninlu.dev/testcluster/internal/process"
)

const (
	containerdSocket = runFolder + "/containerd.sock"
	ownerFile        = runFolder + "/owner"
	pauseImage       = "uninlu-testcluster/pause:1"
)

// Fixed by the kubelet and kube-proxy configuration: the reason why a machine has room for one node.
var nodePorts = []int{10250, 10249, 10256}

// claimMachine makes this cluster the one with the machine's only node, after an owner that is dead.
func (c *Cluster) claimMachine() error {
	owner, _ := os.ReadFile(ownerFile)
	if former := string(owner); former != "" && former != c.data {
		if len(process.Owner(former).Find()) > 0 {
			return fault.New("a machine has room for one node, and one runs already, in "+former, "cluster down --data "+former)
		}
		(&Cluster{data: former}).releaseMachine(context.Background())
	}
	for _, port := range nodePorts {
		if err := mustBeFree(port, "the node", "stop that one: a machine has room for one kubelet"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(runFolder, 0o755); err != nil {
		return err
	}
	if err := c.rememberSysctls(); err != nil {
		return err
	}
	return os.WriteFile(ownerFile, []byte(c.data), 0o644)
}

func (c *Cluster) ownsMachine() bool {
	owner, err := os.ReadFile(ownerFile)
	return err == nil && string(owner) == c.data
}

func (c *Cluster) startNode(ctx context.Context) error {
	if err := c.writeNodeFiles(); err != nil {
		return err
	}
	if err := openForwarding(); err != nil {
		return err
	}
	if err := c.startContainerd(ctx); err != nil {
		return err
	}
	if err := c.importPause(); err != nil {
		return err
	}
	address, err := machineAddress()
	if err != nil {
		return err
	}
	if err := c.runSelf("kubelet", []string{
		"--config=" + c.path("conf", "kubelet.yaml"), "--kubeconfig=" + c.clientConfig("kubelet"),
		"--root-dir=" + c.path("kubelet"), "--cert-dir=" + c.path("kubelet", "pki"),
		"--hostname-override=" + nodeName, "--node-ip=" + address.String(),
	}); err != nil {
		return err
	}
	if err := c.runSelf("proxy", []string{"--config=" + c.path("conf", "proxy.yaml")}); err != nil {
		return err
	}
	return c.await(ctx, "kubelet", "the node was Ready", c.nodesReady(nodeName))
}

func (c *Cluster) writeNodeFiles() error {
	files := map[string]string{
		"containerd.toml": c.path("conf", "containerd.toml"),
		"kubelet.yaml":    c.path("conf", "kubelet.yaml"),
		"proxy.yaml":      c.path("conf", "proxy.yaml"),
		"cni.conflist":    c.path("cni", "10-uninlu-testcluster.conflist"),
		"hosts.toml":      c.path("certs.d", fmt.Sprintf("localhost:%d", c.settings.RegistryPort), "hosts.toml"),
	}
	for name, path := range files {
		if err := conf.Write(name, c.values(), path); err != nil {
			return err
		}
	}
	return errors.Join(os.MkdirAll(c.path("kubelet"), 0o755), os.MkdirAll(c.path("pod-logs"), 0o755))
}

func (c *Cluster) startContainerd(ctx context.Context) error {
	if err := c.run("containerd", "containerd", "--config", c.path("conf", "containerd.toml")); err != nil {
		return err
	}
	return c.await(ctx, "containerd", "containerd answered", func(context.Context) error {
		pods, err := connectPods()
		if err != nil {
			return err
		}
		_, err = pods.Version(ctx, "v1")
		return err
	})
}

// importPause gives containerd the image that holds each pod's namespaces: made here, so that no registry is asked.
func (c *Cluster) importPause() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	program, err := os.ReadFile(filepath.Join(filepath.Dir(self), "pause"))
	if err != nil {
		return fmt.Errorf("the program pause beside %s: %w", self, err)
	}
	archive := c.path("pause.tar")
	file, err := os.Create(archive)
	if err != nil {
		return err
	}
	if err := errors.Join(image.Write(file, pauseImage, "pause", program), file.Close()); err != nil {
		return err
	}
	output, err := exec.Command("ctr", "--address", containerdSocket, "--namespace", "k8s.io", "images", "import", archive).CombinedOutput()
	if err != nil {
		return fmt.Errorf("containerd refuses the pause image: %s", strings.TrimSpace(string(output)))
	}
	return nil
}

// nodesReady asks whether all the named nodes are Ready.
func (c *Cluster) nodesReady(names ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := c.client()
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := nodeReady(ctx, client, name); err != nil {
				return err
			}
		}
		return nil
	}
}

func nodeReady(ctx context.Context, client kubernetes.Interface, name string) error {
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
		if condition.Type == corev1.NodeReady {
			err = fmt.Errorf("node %s: %s", name, condition.Message)
		}
	}
	if err == nil {
		err = fmt.Errorf("node %s has not reported yet", name)
	}
	return err
}
