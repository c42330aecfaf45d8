// Package conf holds the configuration files of the cluster's programs as templates.
package conf

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed *.yaml *.yml *.toml *.conflist
var files embed.FS

// Values are what the templates fill in.
type Values struct {
	// Data is the cluster's data folder, Run the node's folder for sockets and mounts.
	Data, Run string
	// Node, Bridge and Network name the node, its bridge and its CNI network.
	Node, Bridge, Network string
	// RegistryPort is the local registry's port on localhost.
	RegistryPort int
	// Address and Authority are where the API server finds the metrics APIs, and who signed for them (base64).
	Address, Authority string
	// The ports of the metrics APIs' programs, and how often Prometheus scrapes.
	MetricsServerPort, AdapterPort, TargetsPort int
	ScrapeInterval                              string
}

// Render fills in the file of that name.
func Render(name string, values Values) ([]byte, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if name == "kwok-stages.yaml" { // kwok's own templates, in the same notation
		return text, nil
	}
	parsed, err := template.New(name).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("conf/%s: %w", name, err)
	}
	var filled bytes.Buffer
	if err := parsed.Execute(&filled, values); err != nil {
		return nil, fmt.Errorf("conf/%s: %w", name, err)
	}
	return filled.Bytes(), nil
}

// Write renders the file of that name to the path, with the folders above it.
func Write(name string, values Values, path string) error {
	text, err := Render(name, values)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
