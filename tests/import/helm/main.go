// Prints what Helm itself renders of a chart, for the tests of src/import/template.
//
// It belongs to no module of its own. From tests/bench/peers, whose module has Helm:
//
//	for chart in usual-chart helm-create constructs; do
//	  ../../cluster/go run ../../import/helm/main.go ../../import/$chart >../../import/helm/$chart.yaml
//	done
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

func main() {
	chart, err := loader.Load(os.Args[1])
	if err != nil {
		panic(err)
	}
	options := common.ReleaseOptions{Name: chart.Metadata.Name, Namespace: "default", Revision: 1, IsInstall: true}
	values, err := util.ToRenderValues(chart, nil, options, nil)
	if err != nil {
		panic(err)
	}
	files, err := engine.Render(chart, values)
	if err != nil {
		panic(err)
	}
	var names []string
	for name := range files {
		if strings.HasSuffix(name, ".yaml") && strings.TrimSpace(files[name]) != "" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("---\n%s\n", files[name])
	}
}
