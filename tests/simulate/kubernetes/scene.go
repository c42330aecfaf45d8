// Runs the real controller, package podautoscaler of Kubernetes, under a clock of its own. `make` lays this file beside
// that package's files (go build -overlay), since what it drives is private there; nothing of their logic is changed
// but that they ask `clock()` instead of the system for the time.
package podautoscaler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	autoscalinginternal "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/monitor"
	"k8s.io/kubernetes/pkg/controller/util/selectors"
)

const (
	namespace = "scene"
	name      = "web"
)

var (
	beginning = time.Unix(1_700_000_000, 0)
	seconds   int
)

func clock() time.Time { return at(seconds) }

func at(second int) time.Time { return beginning.Add(time.Duration(second) * time.Second) }

// Pod is what the controller is shown. Times are seconds from the scene's beginning.
type Pod struct {
	Phase    string
	Deleting bool
	Started  *int
	Ready    *Ready
	Request  int64
	CPU      *CPU
	Requests *int64
}

// MarshalJSON writes a row, since there are thousands of them.
func (p Pod) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{p.Phase, p.Deleting, p.Started, p.Ready, p.Request, p.CPU, p.Requests})
}

// Ready is the condition.
type Ready struct {
	True  bool
	Since int
}

// MarshalJSON writes a row.
func (r Ready) MarshalJSON() ([]byte, error) { return json.Marshal([]any{r.True, r.Since}) }

// CPU is a sample of metrics-server.
type CPU struct {
	Milli  int64
	At     int
	Window int
}

// MarshalJSON writes a row.
func (c CPU) MarshalJSON() ([]byte, error) { return json.Marshal([]any{c.Milli, c.At, c.Window}) }

// Rules are one direction of `behavior`.
type Rules struct {
	Stabilization *int32   `json:"stabilization,omitempty"`
	Policies      []Policy `json:"policies,omitempty"`
	Select        string   `json:"select,omitempty"`
}

// Policy is one bound.
type Policy struct {
	Type   string `json:"type"`
	Value  int32  `json:"value"`
	Period int32  `json:"period"`
}

// Step is one reconcile, and what was written: 0 stands for nothing.
type Step struct {
	At       int    `json:"at"`
	Spec     int32  `json:"spec"`
	Status   int32  `json:"status"`
	Pods     []Pod  `json:"pods"`
	External *int64 `json:"external,omitempty"`
	Wrote    int32  `json:"wrote"`
}

// Scene is an autoscaler with what happens to it.
type Scene struct {
	Min      int32  `json:"min"`
	Max      int32  `json:"max"`
	CPU      int32  `json:"cpu,omitempty"`
	Requests int64  `json:"requests,omitempty"`
	External int64  `json:"external,omitempty"`
	Up       *Rules `json:"up,omitempty"`
	Down     *Rules `json:"down,omitempty"`
	Steps    []Step `json:"steps"`
}

// Random makes a scene and lets the controller play it.
func Random(random *rand.Rand) Scene {
	scene := Scene{Min: 1 + random.Int31n(3)}
	scene.Max = scene.Min + random.Int31n(14)
	for scene.CPU == 0 && scene.Requests == 0 && scene.External == 0 {
		if random.Intn(3) > 0 {
			scene.CPU = []int32{50, 60, 70, 120}[random.Intn(4)]
		}
		if random.Intn(2) > 0 {
			scene.Requests = []int64{10_000, 20_000, 12_345}[random.Intn(3)]
		}
		if random.Intn(6) == 0 {
			scene.External = 10_000
		}
	}
	if random.Intn(2) > 0 {
		scene.Up = randomRules(random)
	}
	if random.Intn(2) > 0 {
		scene.Down = randomRules(random)
	}
	play(&scene, random)
	return scene
}

func randomRules(random *rand.Rand) *Rules {
	rules := &Rules{}
	if random.Intn(2) > 0 {
		window := []int32{0, 0, 15, 30, 60, 120}[random.Intn(6)]
		rules.Stabilization = &window
	}
	for range random.Intn(3) {
		rules.Policies = append(rules.Policies, Policy{
			Type:   []string{"Pods", "Percent"}[random.Intn(2)],
			Value:  []int32{1, 2, 4, 10, 50, 100}[random.Intn(6)],
			Period: []int32{15, 30, 60, 120}[random.Intn(4)],
		})
	}
	rules.Select = []string{"", "", "Max", "Min", "Min", "Disabled"}[random.Intn(6)]
	return rules
}

func play(scene *Scene, random *rand.Rand) {
	hpa := object(scene)
	target := &target{}
	controller := controllerOf(target)
	spec := scene.Min + random.Int31n(scene.Max-scene.Min+1)
	seconds = 0
	for range 10 {
		seconds += []int{15, 15, 15, 30, 60, 120, 300, 301}[random.Intn(8)]
		step := Step{At: seconds, Spec: spec, Status: spec, Pods: randomPods(random, spec, scene)}
		if random.Intn(30) == 0 {
			step.Spec = random.Int31n(scene.Max + 3)
		}
		if random.Intn(4) == 0 {
			step.Status = 1 + random.Int31n(scene.Max)
		}
		if scene.External > 0 && random.Intn(8) > 0 {
			total := random.Int63n(10_000 * int64(scene.Max) * 2)
			step.External = &total
		}
		target.set(step)
		// Its error says which metric is missing; what counts is whether it wrote.
		_ = controller.reconcileAutoscaler(context.Background(), hpa, namespace+"/"+name)
		step.Wrote = target.wrote
		if step.Wrote > 0 {
			spec = step.Wrote
		} else if step.Spec > 0 {
			spec = step.Spec
		}
		scene.Steps = append(scene.Steps, step)
	}
}

func randomPods(random *rand.Rand, count int32, scene *Scene) []Pod {
	level := []float64{0.2, 0.4, 0.5, 0.6, 0.8, 0.95, 1.1, 1.3, 2, 4}[random.Intn(10)]
	isCalm := random.Intn(2) > 0
	pods := make([]Pod, 0, count)
	for range count {
		pod := Pod{Phase: "Running", Request: 1000}
		started := seconds - 1000 - random.Intn(1000)
		if !isCalm && random.Intn(3) == 0 {
			started = seconds - random.Intn(400)
		}
		pod.Started = &started
		pod.Ready = &Ready{True: true, Since: min(seconds, started+random.Intn(60))}
		percent := float64(max(scene.CPU, 50)) * level * (0.9 + 0.2*random.Float64())
		pod.CPU = &CPU{Milli: int64(percent * 10), At: seconds - random.Intn(20), Window: 10 + random.Intn(20)}
		requests := int64(float64(max(scene.Requests, 10_000)) * level * (0.9 + 0.2*random.Float64()))
		pod.Requests = &requests
		if !isCalm {
			spoil(random, &pod)
		}
		pods = append(pods, pod)
	}
	return pods
}

func spoil(random *rand.Rand, pod *Pod) {
	switch random.Intn(14) {
	case 0:
		pod.Phase = "Pending"
	case 1:
		pod.Phase = "Failed"
	case 2:
		pod.Deleting = true
	case 3:
		pod.CPU = nil
	case 4:
		pod.Requests = nil
	case 5:
		pod.CPU, pod.Requests = nil, nil
	case 6, 7:
		pod.Ready.True = false
	case 8:
		pod.Ready = nil
	case 9:
		pod.Started = nil
	case 10:
		pod.Request = 500
	}
}

func object(scene *Scene) *autoscalingv2.HorizontalPodAutoscaler {
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
			MinReplicas:    &scene.Min,
			MaxReplicas:    scene.Max,
		},
	}
	add := func(metric autoscalingv2.MetricSpec) { hpa.Spec.Metrics = append(hpa.Spec.Metrics, metric) }
	if scene.CPU > 0 {
		add(autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name:   v1.ResourceCPU,
			Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &scene.CPU},
		}})
	}
	average := func(milli int64) autoscalingv2.MetricTarget {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: resource.NewMilliQuantity(milli, resource.DecimalSI)}
	}
	if scene.Requests > 0 {
		add(autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: "requests"}, Target: average(scene.Requests),
		}})
	}
	if scene.External > 0 {
		add(autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: "queue"}, Target: average(scene.External),
		}})
	}
	if scene.Up != nil || scene.Down != nil {
		hpa.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp:   rulesOf(scene.Up),
			ScaleDown: rulesOf(scene.Down),
		}
		autoscalinginternal.SetDefaults_HorizontalPodAutoscalerBehavior(hpa)
	}
	return hpa
}

func rulesOf(rules *Rules) *autoscalingv2.HPAScalingRules {
	if rules == nil {
		return nil
	}
	made := &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: rules.Stabilization}
	for _, policy := range rules.Policies {
		made.Policies = append(made.Policies, autoscalingv2.HPAScalingPolicy{
			Type: autoscalingv2.HPAScalingPolicyType(policy.Type), Value: policy.Value, PeriodSeconds: policy.Period,
		})
	}
	if rules.Select != "" {
		choice := autoscalingv2.ScalingPolicySelect(rules.Select)
		made.SelectPolicy = &choice
	}
	return made
}

// target is everything that the controller talks to.
type target struct {
	metrics.MetricsClient
	apimeta.RESTMapper
	step  Step
	pods  corelisters.PodLister
	wrote int32
}

func controllerOf(target *target) *HorizontalController {
	controller := &HorizontalController{
		eventRecorder:                &record.FakeRecorder{},
		scaleNamespacer:              scales{target},
		hpaNamespacer:                autoscalers{},
		tolerance:                    0.1,
		downscaleStabilisationWindow: 5 * time.Minute,
		monitor:                      monitor.New(),
		mapper:                       target,
		podLister:                    target,
		recommendations:              map[string][]timestampedRecommendation{},
		scaleUpEvents:                map[string][]timestampedScaleEvent{},
		scaleDownEvents:              map[string][]timestampedScaleEvent{},
		hpaSelectors:                 selectors.NewBiMultimap(),
	}
	controller.replicaCalc = NewReplicaCalculator(target, target, 5*time.Minute, 30*time.Second)
	controller.hpaSelectors.PutSelector(selectors.Key{Name: name, Namespace: namespace}, labels.Everything())
	return controller
}

func (t *target) set(step Step) {
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for index, pod := range step.Pods {
		_ = indexer.Add(pod.object(index))
	}
	t.step, t.pods, t.wrote = step, corelisters.NewPodLister(indexer), 0
}

func podName(index int) string { return fmt.Sprintf("web-%02d", index) }

func (p Pod) object(index int) *v1.Pod {
	requests := v1.ResourceList{v1.ResourceCPU: *resource.NewMilliQuantity(p.Request, resource.DecimalSI)}
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: podName(index), Namespace: namespace, Labels: map[string]string{"app": name}},
		Spec:       v1.PodSpec{Containers: []v1.Container{{Name: "server", Resources: v1.ResourceRequirements{Requests: requests}}}},
		Status:     v1.PodStatus{Phase: v1.PodPhase(p.Phase)},
	}
	if p.Deleting {
		now := metav1.NewTime(clock())
		pod.DeletionTimestamp = &now
	}
	if p.Started != nil {
		started := metav1.NewTime(at(*p.Started))
		pod.Status.StartTime = &started
	}
	if p.Ready != nil {
		status := v1.ConditionFalse
		if p.Ready.True {
			status = v1.ConditionTrue
		}
		pod.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(at(p.Ready.Since))}}
	}
	return pod
}

func (t *target) List(selector labels.Selector) ([]*v1.Pod, error) { return t.pods.List(selector) }

func (t *target) Pods(namespace string) corelisters.PodNamespaceLister { return t.pods.Pods(namespace) }

func (t *target) RESTMappings(schema.GroupKind, ...string) ([]*apimeta.RESTMapping, error) {
	return []*apimeta.RESTMapping{{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}}}, nil
}

type autoscalers struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
}

func (a autoscalers) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return a
}

func (autoscalers) UpdateStatus(_ context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return hpa, nil
}

var errNone = errors.New("no metrics")

func (t *target) GetResourceMetric(context.Context, v1.ResourceName, string, labels.Selector, string) (metrics.PodMetricsInfo, time.Time, error) {
	samples := metrics.PodMetricsInfo{}
	for index, pod := range t.step.Pods {
		if pod.CPU != nil {
			samples[podName(index)] = metrics.PodMetric{
				Timestamp: at(pod.CPU.At), Window: time.Duration(pod.CPU.Window) * time.Second, Value: pod.CPU.Milli,
			}
		}
	}
	if len(samples) == 0 {
		return nil, time.Time{}, errNone
	}
	return samples, clock(), nil
}

func (t *target) GetRawMetric(string, string, labels.Selector, labels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	samples := metrics.PodMetricsInfo{}
	for index, pod := range t.step.Pods {
		if pod.Requests != nil {
			samples[podName(index)] = metrics.PodMetric{Timestamp: clock(), Window: time.Minute, Value: *pod.Requests}
		}
	}
	if len(samples) == 0 {
		return nil, time.Time{}, errNone
	}
	return samples, clock(), nil
}

func (t *target) GetExternalMetric(string, string, labels.Selector) ([]int64, time.Time, error) {
	if t.step.External == nil {
		return nil, time.Time{}, errNone
	}
	half := *t.step.External / 2
	return []int64{half, *t.step.External - half}, clock(), nil
}

type scales struct{ target *target }

type scaleOf struct {
	scaleclient.ScaleInterface
	target *target
}

func (s scales) Scales(string) scaleclient.ScaleInterface { return scaleOf{target: s.target} }

func (s scaleOf) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: s.target.step.Spec},
		Status:     autoscalingv1.ScaleStatus{Replicas: s.target.step.Status, Selector: "app=" + name},
	}, nil
}

func (s scaleOf) Update(_ context.Context, _ schema.GroupResource, scale *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	s.target.wrote = scale.Spec.Replicas
	return scale, nil
}
