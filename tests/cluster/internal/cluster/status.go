package cluster

import (
	"context"
	"fmt"
)

// Report is how a cluster is.
type Report struct {
	Data       string          `json:"data"`
	Kubeconfig string          `json:"kubeconfig"`
	Context    string          `json:"context"`
	Size       Size            `json:"size"`
	Registry   string          `json:"registry,omitempty"`
	Prometheus string          `json:"prometheus,omitempty"`
	Programs   map[string]bool `json:"programs"`
	Healthy    bool            `json:"healthy"`
}

// Status reports on the cluster in the folder data; found is false where there is none.
func Status(ctx context.Context, data string) (report Report, found bool, err error) {
	c, found, err := open(data)
	if err != nil || !found {
		return Report{}, false, err
	}
	report = Report{
		Data: c.data, Kubeconfig: c.Kubeconfig(), Context: contextName, Size: c.settings.Size,
		Programs: c.programs(), Healthy: c.Healthy(ctx),
	}
	if c.settings.Registry {
		report.Registry = fmt.Sprintf("localhost:%d", c.settings.RegistryPort)
	}
	if c.settings.Metrics {
		report.Prometheus = c.prometheusAddress()
	}
	return report, true, nil
}

// programs says for each that shall run whether it does.
func (c *Cluster) programs() map[string]bool {
	running := map[string]bool{}
	for _, program := range c.settings.Programs() {
		running[program] = false
	}
	for _, process := range c.owner().Find() {
		if _, wanted := running[process.Program]; wanted {
			running[process.Program] = true
		}
	}
	return running
}

// Healthy says whether every program runs and the API server is ready.
func (c *Cluster) Healthy(ctx context.Context) bool {
	for _, runs := range c.programs() {
		if !runs {
			return false
		}
	}
	return c.apiserverReady(ctx) == nil
}
