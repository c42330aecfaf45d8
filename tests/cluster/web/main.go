// Command web is the selftest's workload: it answers on port 8080 with its user id, and says whether its root can be written.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		writable := os.WriteFile("/probe", nil, 0o600) == nil
		fmt.Fprintf(answer, "uid=%d root-writable=%t\n", os.Getuid(), writable)
	})
	if err := http.ListenAndServe(":8080", nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
