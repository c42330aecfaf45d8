package cluster

import (
	"context"
	"errors"
	"time"

	cri "k8s.io/cri-api/pkg/apis"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
)

const podBound = 10 * time.Second

func connectPods() (cri.RuntimeService, error) {
	return remote.NewRemoteRuntimeService("unix://"+containerdSocket, podBound, nil, nil)
}

// endPods ends all pods the way the kubelet would, so that the CNI plugins take their own traces away. It needs a living
// containerd; what this cannot end, releaseMachine ends without asking.
func endPods(ctx context.Context) error {
	pods, err := connectPods()
	if err != nil {
		return err
	}
	sandboxes, err := pods.ListPodSandbox(ctx, &runtime.PodSandboxFilter{})
	if err != nil {
		return err
	}
	for _, sandbox := range sandboxes {
		err = errors.Join(err, pods.StopPodSandbox(ctx, sandbox.Id), pods.RemovePodSandbox(ctx, sandbox.Id))
	}
	return err
}
