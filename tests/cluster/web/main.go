// Command web is the selftest's workload: it answers on port 8080 with its user id, says whether its root can be written,
// and counts its answers.
package main

import (
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
)

func main() {
	var requests atomic.Int64
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		writable := os.WriteFile("/probe", nil, 0o600) == nil
		fmt.Fprintf(answer, "uid=%d root-writable=%t\n", os.Getuid(), writable)
	})
	http.HandleFunc("/metrics", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(answer, "# TYPE web_requests_total counter\nweb_requests_total %d\n", requests.Load())
	})
	if err := http.ListenAndServe(":8080", nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
