package cluster

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"uninlu.dev/testcluster/conf"
	"uninlu.dev/testcluster/internal/process"
)

// MetricsPorts are where the programs of the metrics APIs listen.
type MetricsPorts struct {
	Server     int `json:"server"`
	Adapter    int `json:"adapter"`
	Prometheus int `json:"prometheus"`
	Targets    int `json:"targets"`
}

// choose keeps the earlier ports while they are free.
func (ports *MetricsPorts) choose(earlier MetricsPorts) error {
	var problems [4]error
	ports.Server, problems[0] = process.FreePort(earlier.Server)
	ports.Adapter, problems[1] = process.FreePort(earlier.Adapter)
	ports.Prometheus, problems[2] = process.FreePort(earlier.Prometheus)
	ports.Targets, problems[3] = process.FreePort(earlier.Targets)
	return errors.Join(problems[:]...)
}

// periods are how often the metrics are looked at.
type periods struct{ scrape, resolution, relist string }

func (s Settings) periods() periods {
	if s.FastAutoscaler {
		return periods{scrape: "5s", resolution: "10s", relist: "5s"}
	}
	// What metrics-server's own manifest and a ServiceMonitor of ours say.
	return periods{scrape: "15s", resolution: "15s", relist: "15s"}
}

// startMetrics serves metrics.k8s.io and custom.metrics.k8s.io: metrics-server from the kubelet, prometheus-adapter from
// a Prometheus that scrapes the annotated pods.
func (c *Cluster) startMetrics(ctx context.Context) error {
	address, err := machineAddress()
	if err != nil {
		return err
	}
	if err := c.writeMetricsFiles(); err != nil {
		return err
	}
	for _, start := range []func() error{
		func() error { return c.runSelf("metrics-server", c.metricsServerFlags(address)) },
		func() error { return c.runSelf("targets", c.targetsFlags()) },
		func() error { return c.run("prometheus", c.prometheusCommand()...) },
	} {
		if err := start(); err != nil {
			return err
		}
	}
	if err := c.await(ctx, "prometheus", "Prometheus was ready", func(ctx context.Context) error {
		return answersOK(ctx, c.prometheusAddress()+"/-/ready")
	}); err != nil {
		return err
	}
	if err := c.runSelf("prometheus-adapter", c.adapterFlags(address)); err != nil {
		return err
	}
	if err := c.registerMetricsAPIs(ctx, address); err != nil {
		return err
	}
	if err := c.await(ctx, "metrics-server", "metrics.k8s.io answered", c.apiAnswers("metrics.k8s.io/v1beta1")); err != nil {
		return err
	}
	for _, version := range []string{"v1beta1", "v1beta2"} {
		api := "custom.metrics.k8s.io/" + version
		if err := c.await(ctx, "prometheus-adapter", api+" answered", c.apiAnswers(api)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) writeMetricsFiles() error {
	rules := []byte(c.settings.AdapterRules)
	if len(rules) == 0 {
		var err error
		if rules, err = conf.Render("adapter.yaml", c.values()); err != nil {
			return err
		}
	}
	return errors.Join(
		conf.Write("prometheus.yaml", c.values(), c.path("conf", "prometheus.yaml")),
		os.WriteFile(c.path("conf", "adapter.yaml"), rules, 0o644),
	)
}

func (c *Cluster) prometheusAddress() string {
	return fmt.Sprintf("http://127.0.0.1:%d", c.settings.MetricsPorts.Prometheus)
}

// aggregatedFlags are those of every API server behind the API server.
func (c *Cluster) aggregatedFlags(program string, address net.IP, port int) []string {
	admin := c.clientConfig("admin")
	return []string{
		"--authentication-kubeconfig=" + admin, "--authorization-kubeconfig=" + admin,
		"--bind-address=" + address.String(), fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + c.path("pki", program+".crt"), "--tls-private-key-file=" + c.path("pki", program+".key"),
	}
}

func (c *Cluster) metricsServerFlags(address net.IP) []string {
	return append(c.aggregatedFlags("metrics-server", address, c.settings.MetricsPorts.Server),
		"--kubeconfig="+c.clientConfig("admin"), "--metric-resolution="+c.settings.periods().resolution)
}

func (c *Cluster) adapterFlags(address net.IP) []string {
	return append(c.aggregatedFlags("prometheus-adapter", address, c.settings.MetricsPorts.Adapter),
		"--lister-kubeconfig="+c.clientConfig("admin"), "--prometheus-url="+c.prometheusAddress(),
		"--config="+c.path("conf", "adapter.yaml"), "--metrics-relist-interval="+c.settings.periods().relist)
}

func (c *Cluster) targetsFlags() []string {
	return []string{"--kubeconfig=" + c.clientConfig("admin"), fmt.Sprintf("--listen=127.0.0.1:%d", c.settings.MetricsPorts.Targets)}
}

func (c *Cluster) prometheusCommand() []string {
	return []string{
		"prometheus", "--config.file=" + c.path("conf", "prometheus.yaml"), "--storage.tsdb.path=" + c.path("prometheus"),
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", c.settings.MetricsPorts.Prometheus), "--log.level=warn",
	}
}

// apiAnswers asks through the API server, as everybody does.
func (c *Cluster) apiAnswers(api string) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := c.client()
		if err != nil {
			return err
		}
		return client.Discovery().RESTClient().Get().AbsPath("/apis/" + api).Do(ctx).Error()
	}
}

// registerMetricsAPIs tells the API server who serves the metrics APIs.
func (c *Cluster) registerMetricsAPIs(ctx context.Context, address net.IP) error {
	authority, err := os.ReadFile(c.path("pki", "ca.crt"))
	if err != nil {
		return err
	}
	values := c.values()
	values.Address, values.Authority = address.String(), base64.StdEncoding.EncodeToString(authority)
	text, err := conf.Render("metrics-apis.yaml", values)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.clientConfig("admin"))
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	return applyAll(ctx, client, text)
}

// applyAll applies the objects of a YAML text whose kinds have regular plurals.
func applyAll(ctx context.Context, client dynamic.Interface, text []byte) error {
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text))
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
		_, err := client.Resource(resource).Namespace(object.GetNamespace()).
			Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "uninlu-testcluster", Force: true})
		if err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
}
