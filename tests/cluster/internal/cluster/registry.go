package cluster

import (
	"context"
	"fmt"
	"net/http"

	"uninlu.dev/testcluster/conf"
)

// startRegistry serves images on localhost by plain HTTP, which Docker and this node's containerd accept there.
func (c *Cluster) startRegistry(ctx context.Context) error {
	configuration := c.path("conf", "registry.yml")
	if err := conf.Write("registry.yml", c.values(), configuration); err != nil {
		return err
	}
	if err := c.run("registry", "docker-registry", "serve", configuration); err != nil {
		return err
	}
	return c.await(ctx, "registry", "the registry answered", func(ctx context.Context) error {
		return answersOK(ctx, fmt.Sprintf("http://127.0.0.1:%d/v2/", c.settings.RegistryPort))
	})
}

func answersOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}
