// Command misbehave stands in for a server that fails on purpose, in the way that its only argument names.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	switch os.Args[1] {
	case "crash":
		fmt.Fprintln(os.Stderr, "error: vocab.txt has no [CLS]; fix: use the published vocabulary")
		os.Exit(3)
	case "eat":
		var eaten [][]byte
		for {
			bite := make([]byte, 1<<20)
			for page := 0; page < len(bite); page += 4096 {
				bite[page] = 1
			}
			eaten = append(eaten, bite)
		}
	case "stay-unready":
		_ = http.ListenAndServe(":7860", http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			http.Error(answer, "loading the model", http.StatusServiceUnavailable)
		}))
	}
}
