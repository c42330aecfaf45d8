// Package cluster brings a real Kubernetes up in a folder of its own, and takes it away again.
package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"uninlu.dev/testcluster/internal/fault"
	"uninlu.dev/testcluster/internal/process"
)

// Up makes the cluster in the folder data be as asked, whatever an earlier run left there. Words on its progress go to say.
func Up(ctx context.Context, data string, asked Settings, say func(string)) error {
	started := time.Now()
	c, found, err := open(data)
	if err != nil {
		return err
	}
	if err := asked.check(); err != nil {
		return err
	}
	if found && c.settings.Metrics && !asked.Metrics {
		return fault.New("the cluster in "+c.data+" has metrics APIs, which nobody would serve any more", "add --metrics, or run `cluster down` first")
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if found && c.settings.asked() == asked && c.Healthy(ctx) {
		say("already up: " + c.Kubeconfig())
		return nil
	}
	if found {
		c.stop(ctx)
	}
	if err := c.prepare(asked); err != nil {
		if !found {
			c.forget()
		}
		return err
	}
	if err := c.start(ctx, say); err != nil {
		// Nothing half-made stays alive; the folder does, for its logs.
		c.stop(context.WithoutCancel(ctx))
		return err
	}
	say(fmt.Sprintf("up after %.1f s: %s (context %s)", time.Since(started).Seconds(), c.Kubeconfig(), contextName))
	return nil
}

// forget removes a folder in which nothing was started yet; one that holds anything stays.
func (c *Cluster) forget() {
	_ = os.Remove(c.path(lockFile))
	_ = os.Remove(c.path("log"))
	_ = os.Remove(c.data)
}

func (c *Cluster) start(ctx context.Context, say func(string)) error {
	steps := []struct {
		what   string
		wanted bool
		run    func(context.Context) error
	}{
		{"control plane", true, c.startControlPlane},
		{"node", c.settings.Size == Node, c.startNode},
		{"fake nodes", c.settings.FakeNodes > 0, c.startFakeNodes},
		{"registry", c.settings.Registry, c.startRegistry},
		{"metrics APIs", c.settings.Metrics, c.startMetrics},
	}
	for _, step := range steps {
		if !step.wanted {
			continue
		}
		started := time.Now()
		if err := step.run(ctx); err != nil {
			return err
		}
		say(fmt.Sprintf("%s: ready after %.1f s", step.what, time.Since(started).Seconds()))
	}
	return nil
}

// check finds what the machine lacks before anything is started.
func (s Settings) check() error {
	if s.Size == Node && os.Geteuid() != 0 {
		return fault.New("a node needs root: it makes mounts, network namespaces and iptables rules", "run it with sudo, or use --size control-plane")
	}
	needed := map[string]string{}
	if s.Size == Node {
		needed = map[string]string{"containerd": "containerd", "runc": "runc", "iptables": "iptables", "ip": "iproute2", "/usr/lib/cni/bridge": "containernetworking-plugins"}
	}
	if s.Registry {
		needed["docker-registry"] = "docker-registry"
	}
	if s.Metrics {
		needed["prometheus"] = "prometheus"
	}
	return missingPrograms(needed)
}

// missingPrograms takes program → Debian package.
func missingPrograms(needed map[string]string) error {
	var missing []string
	for program, debianPackage := range needed {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, debianPackage)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fault.New("Debian packages are missing: "+strings.Join(missing, " "), "apt-get update && apt-get install "+strings.Join(missing, " "))
}

// prepare settles folder, space and ports. Ports of an earlier run are kept while they are free, so that a kubeconfig
// that was handed out stays right.
func (c *Cluster) prepare(asked Settings) error {
	earlier := c.settings
	c.settings = asked
	var err error
	if c.settings.APIPort, err = process.FreePort(earlier.APIPort); err != nil {
		return err
	}
	if c.settings.EtcdPort, err = process.FreePort(earlier.EtcdPort); err != nil {
		return err
	}
	if asked.Metrics {
		if err := c.settings.MetricsPorts.choose(earlier.MetricsPorts); err != nil {
			return err
		}
	}
	if err := c.checkSpace(); err != nil {
		return err
	}
	if asked.Registry {
		if err := mustBeFree(asked.RegistryPort, "the registry", "stop it, or name another port with --registry-port"); err != nil {
			return err
		}
	}
	if asked.Size == Node {
		if err := c.claimMachine(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(c.path("log"), 0o755); err != nil {
		return err
	}
	return c.save()
}

// What a run was seen to need, with room for a test's images on a node.
var neededMegabytes = map[Size]uint64{ControlPlane: 500, Node: 3000}

func (c *Cluster) checkSpace() error {
	var fileSystem syscall.Statfs_t
	if err := syscall.Statfs(c.data, &fileSystem); err != nil {
		return fmt.Errorf("free space of %s: %w", c.data, err)
	}
	free := fileSystem.Bavail * uint64(fileSystem.Bsize) >> 20
	if needed := neededMegabytes[c.settings.Size]; free < needed {
		return fault.New(fmt.Sprintf("only %d MB are free under %s, and a cluster of size %s needs %d MB", free, c.data, c.settings.Size, needed), "free some space, or name a folder on another disk with --data")
	}
	return nil
}

func mustBeFree(port int, purpose, mend string) error {
	if process.IsFree(port) {
		return nil
	}
	return fault.New(fmt.Sprintf("port %d, which %s needs, is in use by %s", port, purpose, process.Listener(port)), mend)
}
