package metrics

import (
	"encoding/json"
	"flag"
	"net"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// RunTargets tells Prometheus which pods to scrape, by its HTTP service discovery: Debian builds it without Kubernetes'.
func RunTargets(arguments []string) error {
	flags := flag.NewFlagSet("targets", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "client of the API server")
	listen := flags.String("listen", "", "address to serve on")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	return http.ListenAndServe(*listen, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		pods, err := client.CoreV1().Pods("").List(request.Context(), metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadGateway)
			return
		}
		answer.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(answer).Encode(targetsOf(pods.Items))
	}))
}

// target is one entry of what Prometheus reads.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// targetsOf finds the running pods that ask to be scraped, by the usual annotations.
func targetsOf(pods []corev1.Pod) []target {
	targets := []target{} // an empty list, not null: Prometheus refuses that
	for _, pod := range pods {
		port := pod.Annotations["prometheus.io/port"]
		if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" || pod.Annotations["prometheus.io/scrape"] != "true" || port == "" {
			continue
		}
		labels := map[string]string{"namespace": pod.Namespace, "pod": pod.Name}
		if path := pod.Annotations["prometheus.io/path"]; path != "" {
			labels["__metrics_path__"] = path
		}
		targets = append(targets, target{[]string{net.JoinHostPort(pod.Status.PodIP, port)}, labels})
	}
	return targets
}
