package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// KillInControlGroups kills every process in a control group whose last name is one of names: a container's identity is
// the name of its control group, and stays so when the shim that watched over it is dead.
func KillInControlGroups(names []string) {
	if len(names) == 0 {
		return
	}
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		groups, err := os.ReadFile(folder + "/cgroup")
		pid, notANumber := strconv.Atoi(filepath.Base(folder))
		if err == nil && notANumber == nil && inControlGroup(string(groups), names) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// inControlGroup reads lines such as `4:memory:/kubepods/podUID/NAME`.
func inControlGroup(groups string, names []string) bool {
	for line := range strings.Lines(groups) {
		_, path, found := strings.Cut(strings.TrimSpace(line), ":/")
		if found && slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return slices.Contains(names, part) }) {
			return true
		}
	}
	return false
}

// Name is a process as a person would want it named; empty when it is gone.
func Name(pid int) string {
	words, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(words)), pid)
}
