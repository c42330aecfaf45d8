package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"uninlu.dev/testcluster/internal/fault"
)

// Down ends the cluster in the folder data, and removes the folder unless keep. Where there is none, it succeeds.
func Down(ctx context.Context, data string, keep bool, say func(string)) error {
	c, found, err := open(data)
	if err != nil {
		return err
	}
	if !found {
		say("there is no cluster in " + c.data)
		return nil
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	c.stop(ctx)
	c.restoreSysctls()
	if left := c.owner().Find(); len(left) > 0 {
		return fault.New(fmt.Sprintf("these processes of %s do not end: %v", c.data, left), "look at them with ps; then run `cluster down` again")
	}
	if !keep {
		if err := os.RemoveAll(c.data); err != nil {
			return fmt.Errorf("the data folder: %w", err)
		}
	}
	say("down: " + c.data)
	return nil
}

// stop ends whatever of the cluster lives, in an order in which nobody misses the one that went before: first those that
// would start pods again, then the pods, then the rest.
func (c *Cluster) stop(ctx context.Context) {
	c.owner().Stop("kwok", "kubelet", "proxy", "controller-manager", "scheduler")
	if c.ownsMachine() {
		c.endPodsInOrder(ctx)
		c.releaseMachine(ctx)
	}
	c.owner().Stop()
}

// endPodsInOrder brings a killed containerd back for it: only containerd knows which traces its pods have.
func (c *Cluster) endPodsInOrder(ctx context.Context) {
	if !c.owner().Alive("containerd") {
		if _, err := os.Stat(c.path("containerd")); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err := c.startContainerd(ctx); err != nil {
			return // releaseMachine does without
		}
	}
	_ = endPods(ctx)
}
