// Package metrics has the programs that make up Kubernetes' metrics APIs, beside Debian's Prometheus: metrics-server,
// prometheus-adapter, and the discovery that tells Prometheus which pods there are.
//
// The first two are libraries here: their own main packages do not compile against k8s.io/apiserver v0.34
// (metrics-server v0.7.2 sets Config.Version; prometheus-adapter v0.12.0 runs with a stop channel).
package metrics

import (
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/metrics-server/pkg/api"
	"sigs.k8s.io/metrics-server/pkg/api/generated/openapi"
	"sigs.k8s.io/metrics-server/pkg/scraper/client"
	metricsserver "sigs.k8s.io/metrics-server/pkg/server"
)

const kubeletPort = 10250

// serverOptions are the flags that both API servers of this package have, read by Kubernetes' own code.
type serverOptions struct {
	kubeconfig     string
	resolution     time.Duration
	serving        *genericoptions.SecureServingOptionsWithLoopback
	authentication *genericoptions.DelegatingAuthenticationOptions
	authorization  *genericoptions.DelegatingAuthorizationOptions
}

// NewServerCommand is metrics-server: it serves metrics.k8s.io from what the kubelets tell.
func NewServerCommand() *cobra.Command {
	options := serverOptions{
		serving:        genericoptions.NewSecureServingOptions().WithLoopback(),
		authentication: genericoptions.NewDelegatingAuthenticationOptions(),
		authorization:  genericoptions.NewDelegatingAuthorizationOptions(),
	}
	command := &cobra.Command{Use: "metrics-server", SilenceUsage: true, RunE: func(*cobra.Command, []string) error { return options.run() }}
	flags := command.Flags()
	flags.StringVar(&options.kubeconfig, "kubeconfig", "", "client of the API server and of the kubelets")
	flags.DurationVar(&options.resolution, "metric-resolution", 15*time.Second, "time between two looks at the kubelets")
	options.serving.AddFlags(flags)
	options.authentication.AddFlags(flags)
	options.authorization.AddFlags(flags)
	return command
}

func (options serverOptions) run() error {
	kubernetes, err := clientcmd.BuildConfigFromFlags("", options.kubeconfig)
	if err != nil {
		return err
	}
	config, err := options.apiserver()
	if err != nil {
		return err
	}
	server, err := metricsserver.Config{
		Apiserver: config,
		Rest:      kubernetes,
		Kubelet: &client.KubeletClientConfig{
			Scheme: "https", DefaultPort: kubeletPort, Client: *rest.CopyConfig(kubernetes),
			AddressTypePriority: []corev1.NodeAddressType{corev1.NodeInternalIP},
		},
		MetricResolution: options.resolution,
		ScrapeTimeout:    options.resolution * 9 / 10,
	}.Complete()
	if err != nil {
		return err
	}
	return server.RunUntil(genericapiserver.SetupSignalHandler())
}

func (options serverOptions) apiserver() (*genericapiserver.Config, error) {
	config := genericapiserver.NewConfig(api.Codecs)
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	if err := options.serving.ApplyTo(&config.SecureServing, &config.LoopbackClientConfig); err != nil {
		return nil, err
	}
	if err := options.authentication.ApplyTo(&config.Authentication, config.SecureServing, nil); err != nil {
		return nil, err
	}
	if err := options.authorization.ApplyTo(&config.Authorization); err != nil {
		return nil, err
	}
	namer := openapinamer.NewDefinitionNamer(api.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, namer)
	return config, nil
}
