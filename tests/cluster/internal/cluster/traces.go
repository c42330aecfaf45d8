package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"uninlu.dev/testcluster/internal/process"
)

// releaseMachine takes away what the node of this cluster left on the machine, however it ended: containers, mounts,
// network namespaces, the bridge, packet filter rules, control groups. It goes on past whatever is gone already.
func (c *Cluster) releaseMachine(ctx context.Context) {
	process.KillInControlGroups(containerNames())
	c.owner().Stop()
	c.unmountAll()
	deleteNetworkNamespaces(ctx)
	_ = exec.CommandContext(ctx, "ip", "link", "delete", bridge).Run()
	removeServiceRules(ctx)
	removeRules(ctx)
	removeControlGroups()
	_ = os.RemoveAll(runFolder)
}

// containerNames are the identities that containerd's folder of running containers knows.
func containerNames() []string {
	folders, _ := filepath.Glob(runFolder + "/containerd/io.containerd.runtime.v2.task/k8s.io/*")
	for i, folder := range folders {
		folders[i] = filepath.Base(folder)
	}
	return folders
}

func (c *Cluster) unmountAll() {
	table, _ := os.ReadFile("/proc/self/mountinfo")
	for _, point := range mountPointsUnder(string(table), c.data, runFolder) {
		_ = syscall.Unmount(point, syscall.MNT_DETACH)
	}
}

// mountPointsUnder lists the mount points below the folders, the innermost first.
func mountPointsUnder(table string, folders ...string) []string {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	for line := range strings.Lines(table) {
		columns := strings.Fields(line)
		if len(columns) < 5 {
			continue
		}
		point := unescape.Replace(columns[4])
		if slices.ContainsFunc(folders, func(folder string) bool { return strings.HasPrefix(point, folder+"/") }) {
			points = append(points, point)
		}
	}
	slices.Reverse(points)
	return points
}

// Other CNI users' namespaces carry the same prefix: the address inside tells whose it is.
func deleteNetworkNamespaces(ctx context.Context) {
	folders, _ := filepath.Glob("/run/netns/cni-*")
	for _, folder := range folders {
		name := filepath.Base(folder)
		addresses, err := exec.CommandContext(ctx, "ip", "-n", name, "-4", "-o", "address", "show", "dev", "eth0").Output()
		if err == nil && strings.Contains(string(addresses), " "+podPrefix) {
			_ = exec.CommandContext(ctx, "ip", "netns", "delete", name).Run()
		}
	}
}

// removeServiceRules lets kube-proxy take its own rules away.
func removeServiceRules(ctx context.Context) {
	if self, err := os.Executable(); err == nil {
		_ = exec.CommandContext(ctx, self, "proxy", "--cleanup").Run()
	}
}

// removeRules takes away the kubelet's rules, and the CNI plugins' for pods that were not ended in order.
func removeRules(ctx context.Context) {
	for _, program := range []string{"iptables", "ip6tables"} {
		for _, table := range []string{"nat", "filter", "mangle"} {
			filter := packetFilter{program, table}
			filter.remove(ctx, ourRules(filter.saved(ctx)))
			// Only now can be seen whether another network uses these.
			filter.remove(ctx, idleRules(filter.saved(ctx)))
		}
	}
}

type packetFilter struct{ program, table string }

func (filter packetFilter) saved(ctx context.Context) string {
	saved, _ := exec.CommandContext(ctx, filter.program+"-save", "-t", filter.table).Output()
	return string(saved)
}

func (filter packetFilter) remove(ctx context.Context, left leftovers) {
	call := func(arguments ...string) {
		_ = exec.CommandContext(ctx, filter.program, append([]string{"-w", "-t", filter.table}, arguments...)...).Run()
	}
	for _, rule := range left.rules {
		call(append([]string{"-D"}, rule...)...)
	}
	for _, chain := range left.chains {
		call("-F", chain)
	}
	for _, chain := range left.chains {
		call("-X", chain)
	}
}

// leftovers are rules, as the arguments that made them, and chains.
type leftovers struct {
	rules  [][]string
	chains []string
}

// ourRules finds in an iptables-save text what belongs to our node: whatever names our pods' network or addresses, and
// the kubelet's chains, of which a machine has one set.
func ourRules(saved string) leftovers {
	var left leftovers
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		if chain, isChain := strings.CutPrefix(line, ":KUBE-"); isChain {
			name, _, _ := strings.Cut(chain, " ")
			left.chains = append(left.chains, "KUBE-"+name)
		}
		rest, isRule := strings.CutPrefix(line, "-A ")
		if !isRule || !(strings.Contains(rest, " "+podPrefix) || namesNetwork(rest) || strings.Contains(rest, "KUBE-")) {
			continue
		}
		rule := splitRule(rest)
		left.rules = append(left.rules, rule)
		if target := rule[len(rule)-1]; namesNetwork(rest) && strings.HasPrefix(target, "CNI-") && !slices.Contains(left.chains, target) {
			left.chains = append(left.chains, target)
		}
	}
	return left
}

// idleRules finds the CNI firewall plugin's chains when they serve no network any more: when all that is left is how
// they hang together.
func idleRules(saved string) leftovers {
	idle := leftovers{chains: []string{"CNI-FORWARD", "CNI-ADMIN"}}
	for line := range strings.Lines(saved) {
		rest, isRule := strings.CutPrefix(strings.TrimSpace(line), "-A ")
		if !isRule || !strings.Contains(rest, "CNI-FORWARD") && !strings.Contains(rest, "CNI-ADMIN") {
			continue
		}
		if !strings.Contains(rest, "CNI firewall plugin") {
			return leftovers{}
		}
		idle.rules = append(idle.rules, splitRule(rest))
	}
	if len(idle.rules) == 0 {
		return leftovers{}
	}
	return idle
}

func namesNetwork(rule string) bool { return strings.Contains(rule, `name: \"`+network+`\"`) }

// splitRule splits as a shell would: quoted text is one argument, a backslash keeps the next character.
func splitRule(rule string) []string {
	var arguments []string
	var current strings.Builder
	quoted, escaped := false, false
	for _, character := range rule {
		switch {
		case escaped:
			current.WriteRune(character)
			escaped = false
		case character == '\\':
			escaped = true
		case character == '"':
			quoted = !quoted
		case character == ' ' && !quoted:
			arguments = append(arguments, current.String())
			current.Reset()
		default:
			current.WriteRune(character)
		}
	}
	return append(arguments, current.String())
}

// removeControlGroups removes the kubelet's groups. The kernel keeps one that still holds a process.
func removeControlGroups() {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*/kubepods")
	for _, root := range append(roots, "/sys/fs/cgroup/kubepods") {
		var folders []string
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})
		slices.Reverse(folders)
		for _, folder := range folders {
			_ = syscall.Rmdir(folder)
		}
	}
}

// What kubelet and kube-proxy change in the kernel. ip_forward is not among them: Docker needs it too, and may have been
// started since.
var sysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
	"net/ipv4/conf/all/route_localnet",
}

const sysctlFile = "sysctls.json"

// rememberSysctls keeps the values from before the first start.
func (c *Cluster) rememberSysctls() error {
	if _, err := os.Stat(c.path(sysctlFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	values := map[string]string{}
	for _, name := range sysctls {
		if value, err := os.ReadFile("/proc/sys/" + name); err == nil {
			values[name] = string(bytes.TrimSpace(value))
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return err
	}
	return os.WriteFile(c.path(sysctlFile), text, 0o644)
}

func (c *Cluster) restoreSysctls() {
	text, err := os.ReadFile(c.path(sysctlFile))
	var values map[string]string
	if err != nil || json.Unmarshal(text, &values) != nil {
		return
	}
	for name, value := range values {
		_ = os.WriteFile("/proc/sys/"+name, []byte(value), 0o644)
	}
}

// openForwarding lets packets pass between the bridge and the world. Without the bridge module there is nothing to say.
func openForwarding() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("net.ipv4.ip_forward: %w", err)
	}
	if err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("1"), 0o644); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
