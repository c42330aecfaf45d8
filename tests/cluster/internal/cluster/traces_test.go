package cluster

import (
	"slices"
	"testing"
)

func TestOnlyMountsBelowOurFoldersAreOurs(t *testing.T) {
	table := `20 1 8:1 / / rw - ext4 /dev/root rw
21 20 0:5 / /data/cluster/kubelet/pods/a\040b/volumes rw - tmpfs tmpfs rw
22 21 0:6 / /data/cluster/kubelet/pods/a\040b/volumes/inner rw - tmpfs tmpfs rw
23 20 0:7 / /data/cluster-of-another/mount rw - tmpfs tmpfs rw
`
	expected := []string{"/data/cluster/kubelet/pods/a b/volumes/inner", "/data/cluster/kubelet/pods/a b/volumes"}
	if points := mountPointsUnder(table, "/data/cluster"); !slices.Equal(points, expected) {
		t.Errorf("to be unmounted: %q\nexpected, the innermost first: %q", points, expected)
	}
}

const savedRules = `*nat
:POSTROUTING ACCEPT [0:0]
:CNI-1f2e - [0:0]
:KUBE-FIREWALL - [0:0]
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.244.0.7/32 -m comment --comment "name: \"uninlu-testcluster\" id: \"ab\"" -j CNI-1f2e
-A CNI-1f2e -d 10.244.0.0/24 -m comment --comment "name: \"uninlu-testcluster\" id: \"ab\"" -j ACCEPT
-A POSTROUTING -s 10.88.0.2/32 -m comment --comment "name: \"podman\" id: \"cd\"" -j CNI-9999
-A INPUT -j KUBE-FIREWALL
COMMIT
`

func TestRulesOfOtherNetworksAreNotOurs(t *testing.T) {
	left := ourRules(savedRules)
	expected := []string{"POSTROUTING", "-s", "10.244.0.7/32", "-m", "comment", "--comment", `name: "uninlu-testcluster" id: "ab"`, "-j", "CNI-1f2e"}
	if len(left.rules) != 3 || !slices.Equal(left.rules[0], expected) {
		t.Errorf("rules to be removed: %q", left.rules)
	}
	if !slices.Equal(left.chains, []string{"KUBE-FIREWALL", "CNI-1f2e"}) {
		t.Errorf("chains to be removed: %q; the chain of another network must stay", left.chains)
	}
}

const sharedChains = `:CNI-ADMIN - [0:0]
:CNI-FORWARD - [0:0]
-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
`

func TestChainsThatAnotherNetworkUsesStay(t *testing.T) {
	if idle := idleRules(sharedChains); len(idle.rules) != 2 || len(idle.chains) != 2 {
		t.Errorf("chains that nobody uses are not removed: %+v", idle)
	}
	used := sharedChains + "-A CNI-FORWARD -d 10.88.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	if idle := idleRules(used); len(idle.rules)+len(idle.chains) != 0 {
		t.Errorf("chains that another network uses are removed: %+v", idle)
	}
	if idle := idleRules(""); len(idle.chains) != 0 {
		t.Errorf("chains that are not there are removed: %+v", idle)
	}
}

func TestTheEndOfALog(t *testing.T) {
	for _, example := range []struct {
		text, expected string
		count          int
	}{{"a\nb\nc\n", "b\nc\n", 2}, {"a\n", "a\n", 2}, {"", "", 2}, {"a\nb", "b", 1}} {
		if last := lastLines(example.text, example.count); last != example.expected {
			t.Errorf("the last %d lines of %q are %q, not %q", example.count, example.text, example.expected, last)
		}
	}
}
