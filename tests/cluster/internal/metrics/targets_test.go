package metrics

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestOnlyRunningPodsThatAskForItAreScraped(t *testing.T) {
	asks := map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "7860", "prometheus.io/path": "/metrics"}
	running := corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.244.0.7"}
	pod := func(name string, annotations map[string]string, status corev1.PodStatus) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "nlu", Name: name, Annotations: annotations}, Status: status}
	}
	found := targetsOf([]corev1.Pod{
		pod("asks", asks, running),
		pod("silent", nil, running),
		pod("no-port", map[string]string{"prometheus.io/scrape": "true"}, running),
		pod("pending", asks, corev1.PodStatus{Phase: corev1.PodPending, PodIP: "10.244.0.8"}),
		pod("no-address", asks, corev1.PodStatus{Phase: corev1.PodRunning}),
	})
	wanted := []target{{
		Targets: []string{"10.244.0.7:7860"},
		Labels:  map[string]string{"namespace": "nlu", "pod": "asks", "__metrics_path__": "/metrics"},
	}}
	if !reflect.DeepEqual(found, wanted) {
		t.Errorf("found %+v", found)
	}
}

func TestWithoutPodsTheListIsEmptyAndNotNull(t *testing.T) {
	if found := targetsOf(nil); found == nil {
		t.Error("Prometheus refuses null")
	}
}
