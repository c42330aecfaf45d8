package metrics

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/pflag"
	genericapiserver "k8s.io/apiserver/pkg/server"
	custommetrics "sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"
	prometheus "sigs.k8s.io/prometheus-adapter/pkg/client"
	"sigs.k8s.io/prometheus-adapter/pkg/config"
	provider "sigs.k8s.io/prometheus-adapter/pkg/custom-provider"
	"sigs.k8s.io/prometheus-adapter/pkg/naming"
)

// RunAdapter is prometheus-adapter: it serves custom.metrics.k8s.io from Prometheus, by the rules of its configuration.
func RunAdapter(arguments []string) error {
	adapter := &custommetrics.AdapterBase{Name: "prometheus-adapter", FlagSet: pflag.NewFlagSet("prometheus-adapter", pflag.ContinueOnError)}
	address := adapter.Flags().String("prometheus-url", "", "Prometheus to ask")
	rules := adapter.Flags().String("config", "", "file with the rules")
	relist := adapter.Flags().Duration("metrics-relist-interval", time.Minute, "time between two looks at which series there are")
	if err := adapter.Flags().Parse(arguments); err != nil {
		return err
	}
	base, err := url.Parse(*address)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(genericapiserver.SetupSignalContext())
	defer stop()
	if err := provideMetrics(ctx, adapter, prometheus.NewClient(http.DefaultClient, base, nil, http.MethodGet), *rules, *relist); err != nil {
		return err
	}
	return adapter.Run(ctx)
}

func provideMetrics(ctx context.Context, adapter *custommetrics.AdapterBase, series prometheus.Client, rules string, relist time.Duration) error {
	configuration, err := config.FromFile(rules)
	if err != nil {
		return err
	}
	mapper, err := adapter.RESTMapper()
	if err != nil {
		return err
	}
	objects, err := adapter.DynamicClient()
	if err != nil {
		return err
	}
	namers, err := naming.NamersFromConfig(configuration.Rules, mapper)
	if err != nil {
		return err
	}
	metrics, runner := provider.NewPrometheusProvider(mapper, objects, series, namers, relist, relist)
	runner.RunUntil(ctx.Done())
	adapter.WithCustomMetrics(metrics)
	return nil
}
