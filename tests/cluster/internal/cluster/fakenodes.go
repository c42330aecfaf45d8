package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"uninlu.dev/testcluster/conf"
)

// startFakeNodes makes nodes that are none: kwok plays their kubelets, and makes a pod Ready as soon as it is scheduled.
func (c *Cluster) startFakeNodes(ctx context.Context) error {
	stages := c.path("conf", "kwok-stages.yaml")
	if err := conf.Write("kwok-stages.yaml", c.values(), stages); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var names []string
	for number := range c.settings.FakeNodes {
		names = append(names, fmt.Sprintf("fake%d", number+1))
	}
	if err := c.makeNodes(ctx, names); err != nil {
		return err
	}
	// Only the nodes with the label: a real node beside them has its own kubelet.
	if err := c.run("kwok", filepath.Join(filepath.Dir(self), "kwok"), "--kubeconfig="+c.clientConfig("admin"),
		"--manage-nodes-with-label-selector="+fakeLabel+"=true", "--cidr=10.250.0.0/16", "--node-lease-duration-seconds=40", "--config="+stages); err != nil {
		return err
	}
	return c.await(ctx, "kwok", "the fake nodes were Ready", c.nodesReady(names...))
}

const fakeLabel = "uninlu.dev/fake"

func (c *Cluster) makeNodes(ctx context.Context, names []string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	for _, name := range names {
		_, err := client.CoreV1().Nodes().Create(ctx, fakeNode(name), metav1.CreateOptions{})
		if err != nil && !errors.IsAlreadyExists(err) {
			return fmt.Errorf("node %s: %w", name, err)
		}
	}
	return nil
}

func fakeNode(name string) *corev1.Node {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("32"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			fakeLabel: "true", corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
		}},
		Status: corev1.NodeStatus{Capacity: capacity, Allocatable: capacity},
	}
}
