package conf

import (
	"strings"
	"testing"
)

func TestEveryFileRendersWithNothingLeftOpen(t *testing.T) {
	entries, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	values := Values{Data: "/data", Run: "/run/x", Node: "node1", Bridge: "bridge0", Network: "net", RegistryPort: 5000, ScrapeInterval: "15s"}
	for _, entry := range entries {
		text, err := Render(entry.Name(), values)
		if err != nil {
			t.Errorf("%s does not render: %v", entry.Name(), err)
		}
		if entry.Name() != "kwok-stages.yaml" && strings.Contains(string(text), "{{") {
			t.Errorf("%s has a place that was not filled in:\n%s", entry.Name(), text)
		}
	}
}
