// Prints scenes and what Kubernetes' own autoscaler does in them, one a line; `make` runs it.
package main

import (
	"encoding/json"
	"io"
	"math/rand"
	"os"

	"k8s.io/klog/v2"
	"uninlu.dev/testcluster/podautoscaler"
)

func main() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	random := rand.New(rand.NewSource(1))
	lines := json.NewEncoder(os.Stdout)
	for range 100 {
		if err := lines.Encode(podautoscaler.Random(random)); err != nil {
			panic(err)
		}
	}
}
