package main

import (
	"encoding/json"
	"fmt"
	"github.com/Masterminds/semver/v3"
	"os"
	"regexp"
	"sort"
)

func main() {
	b, _ := os.ReadFile(os.Args[1])
	re := regexp.MustCompile(`\{"([^"]*)", "([^"]*)", (?:true|false)\}`)
	pairs := map[[2]string]bool{}
	for _, m := range re.FindAllStringSubmatch(string(b), -1) {
		pairs[[2]string{m[1], m[2]}] = true
	}
	cs := []string{">=1.19-0 <1.25-0", "<1.20 || >=1.30", "~1.20", "^1.20", ">=1.20", ">=1.20-0", "1.x", "1.X.*", "*", "", "1.2 - 1.4", "1.2.3 - 2", "=<1.5", ">=1.2, <2", "!=1.3", "v1.2.3", ">v1.2", "~>1.4", "^0.2", "^0.0", "^0.0.3", "<1.31-0", "=1.34", ">= 1.21.0-0", "1.20-1", "1..2", "abc", ">=", "1.2.3.4", "||", ">1 ||", "~0.0.0", "1.2.3+b", ">=1.19.0-0 < 1.25.0-0 || >= 1.30", "> 1.2 , < 2.0", "=> 1.2", "1.2-beta.2", "01.2.3", ">=1.2.3-alpha.10"}
	vs := []string{"1.34.0", "v1.31.2-gke.100", "1.22.3", "2.1", "1.19.0", "1.25.0-alpha.1", "1.24.99", "0.0.3", "0.2.9", "1.2.3", "1", "v1", "1.2.3-alpha.9", "1.3.0", "bad", "1.2.3.4", "01.2.3", "1.2.3+meta", "v1.29.3+k3s1", "1.20.0-rc.1", ""}
	for _, c := range cs {
		for _, v := range vs {
			pairs[[2]string{c, v}] = true
		}
	}
	var keys [][2]string
	for k := range pairs {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if keys[i][0] != keys[j][0] {
			return keys[i][0] < keys[j][0]
		}
		return keys[i][1] < keys[j][1]
	})
	for _, k := range keys {
		var r any
		c, err := semver.NewConstraint(k[0])
		if err != nil {
			r = "constraint"
		} else {
			v, err := semver.NewVersion(k[1])
			if err != nil {
				r = "version"
			} else {
				r = c.Check(v)
			}
		}
		j, _ := json.Marshal([]any{k[0], k[1], r})
		fmt.Println(string(j))
	}
}
