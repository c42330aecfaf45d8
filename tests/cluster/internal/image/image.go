// Package image makes a container image of one static program without a container engine.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Write writes the image as the archive that `docker save` would make: one layer that holds the program as /NAME, which
// is the entrypoint. The same program gives the same bytes.
func Write(to io.Writer, reference, name string, program []byte) error {
	var layer bytes.Buffer
	if err := archive(&layer, file{name, 0o755, program}); err != nil {
		return err
	}
	configuration, err := json.Marshal(map[string]any{
		"architecture": "amd64",
		"os":           "linux",
		"config":       map[string]any{"Entrypoint": []string{"/" + name}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer.Bytes()))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": "config.json", "RepoTags": []string{reference}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	return archive(to, file{"manifest.json", 0o644, manifest}, file{"config.json", 0o644, configuration}, file{"layer.tar", 0o644, layer.Bytes()})
}

type file struct {
	name    string
	mode    int64
	content []byte
}

func archive(to io.Writer, files ...file) error {
	writer := tar.NewWriter(to)
	for _, file := range files {
		if err := writer.WriteHeader(&tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(file.content))}); err != nil {
			return err
		}
		if _, err := writer.Write(file.content); err != nil {
			return errors.Join(err, writer.Close())
		}
	}
	return writer.Close()
}
