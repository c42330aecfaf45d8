package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"uninlu.dev/testcluster/conf"
	"uninlu.dev/testcluster/internal/fault"
)

// Size says how much of a Kubernetes runs.
type Size string

const (
	// ControlPlane is etcd, API server, controller manager and scheduler: no root, no container.
	ControlPlane Size = "control-plane"
	// Node has containerd, kubelet and kube-proxy besides: needs root, one per machine.
	Node Size = "node"
)

const (
	nodeName    = "node1"
	serviceCIDR = "10.96.0.0/16"
	clusterCIDR = "10.244.0.0/16"
	// podPrefix is what the addresses of the node's pods begin with: the subnet in conf/cni.conflist.
	podPrefix = "10.244.0."
	runFolder = "/run/uninlu-testcluster"
	bridge    = "uninlu0"
	network   = "uninlu-testcluster"
)

// Settings are what `up` was asked for, and the ports that it chose.
type Settings struct {
	Size           Size `json:"size"`
	FakeNodes      int  `json:"fakeNodes"`
	Registry       bool `json:"registry"`
	RegistryPort   int  `json:"registryPort"`
	FastAutoscaler bool `json:"fastAutoscaler"`
	Metrics        bool `json:"metrics"`
	// AdapterRules is prometheus-adapter's configuration; empty is the one in conf/.
	AdapterRules string       `json:"adapterRules,omitempty"`
	APIPort      int          `json:"apiPort"`
	EtcdPort     int          `json:"etcdPort"`
	MetricsPorts MetricsPorts `json:"metricsPorts"`
}

// asked is the part that the user decides.
func (s Settings) asked() Settings {
	s.APIPort, s.EtcdPort, s.MetricsPorts = 0, 0, MetricsPorts{}
	return s
}

// Programs are the names of what shall run, in the order of their start.
func (s Settings) Programs() []string {
	programs := []string{"etcd", "apiserver", "controller-manager", "scheduler"}
	if s.Size == Node {
		programs = append(programs, "containerd", "kubelet", "proxy")
	}
	if s.FakeNodes > 0 {
		programs = append(programs, "kwok")
	}
	if s.Registry {
		programs = append(programs, "registry")
	}
	if s.Metrics {
		programs = append(programs, "metrics-server", "targets", "prometheus", "prometheus-adapter")
	}
	return programs
}

// Cluster is one cluster in its data folder.
type Cluster struct {
	data     string
	settings Settings
}

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.data}, parts...)...)
}

// Kubeconfig is the file that clients use.
func (c *Cluster) Kubeconfig() string { return c.path("kubeconfig") }

func (c *Cluster) values() conf.Values {
	return conf.Values{
		Data: c.data, Run: runFolder, Node: nodeName, Bridge: bridge, Network: network, RegistryPort: c.settings.RegistryPort,
		MetricsServerPort: c.settings.MetricsPorts.Server, AdapterPort: c.settings.MetricsPorts.Adapter,
		TargetsPort: c.settings.MetricsPorts.Targets, ScrapeInterval: c.settings.periods().scrape,
	}
}

const settingsFile = "cluster.json"

// open reads what is known of the cluster in the folder; found is false where there is none.
func open(data string) (c *Cluster, found bool, err error) {
	if data, err = filepath.Abs(data); err != nil {
		return nil, false, err
	}
	c = &Cluster{data: data}
	text, err := os.ReadFile(c.path(settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, c.refuseForeignFiles()
	}
	if err != nil {
		return c, false, err
	}
	if err := json.Unmarshal(text, &c.settings); err != nil {
		return c, false, fault.New(fmt.Sprintf("%s is damaged: %v", c.path(settingsFile), err), "remove this file, then run `cluster up` again")
	}
	return c, true, nil
}

// `down` removes the folder whole: it must never have held something else.
func (c *Cluster) refuseForeignFiles() error {
	entries, err := os.ReadDir(c.data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() != lockFile && entry.Name() != settingsFile+".part" {
			return fault.New(fmt.Sprintf("the folder %s holds something else than a cluster (%s)", c.data, entry.Name()), "name an empty folder with --data")
		}
	}
	return nil
}

// save writes the settings before anything starts: from then on the folder is known as ours.
func (c *Cluster) save() error {
	text, err := json.MarshalIndent(c.settings, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.path(settingsFile+".part"), text, 0o644); err != nil {
		return err
	}
	return os.Rename(c.path(settingsFile+".part"), c.path(settingsFile))
}

// Set reads a size from the command line.
func (size *Size) Set(text string) error {
	switch Size(text) {
	case ControlPlane, Node:
		*size = Size(text)
		return nil
	}
	return fmt.Errorf("a size is %s or %s", ControlPlane, Node)
}
