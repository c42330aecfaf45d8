// Package process starts programs that outlive their starter, and finds them again by a mark in their environment.
//
// A mark cannot go stale as a recorded pid does: it ends with the process, is never given to another one, and is there
// from the process's first instant, so that a starter which is killed half-way leaves nothing that cannot be found.
package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	ownerVariable   = "UNINLU_TESTCLUSTER_OWNER"
	programVariable = "UNINLU_TESTCLUSTER_PROGRAM"
	obeyBound       = 3 * time.Second
	pollInterval    = 50 * time.Millisecond
)

// Owner is what marked processes belong to: the absolute path of a cluster's data folder.
type Owner string

// Marked is a living process of an Owner.
type Marked struct {
	Pid     int
	Program string
}

// Start runs command in a session of its own, with both outputs appended to the file log.
func (owner Owner) Start(program, log string, command ...string) error {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("the log of %s: %w", program, err)
	}
	defer output.Close()
	child := exec.Command(command[0], command[1:]...)
	child.Env = append(withoutKubeconfig(os.Environ()), ownerVariable+"="+string(owner), programVariable+"="+program)
	child.Stdout, child.Stderr = output, output
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return fmt.Errorf("%s does not start: %w", program, err)
	}
	ended := make(chan struct{})
	// A child that ends while we live would stay a zombie.
	go func() { _ = child.Wait(); close(ended) }()
	owner.awaitMark(child.Process.Pid, ended)
	return nil
}

// awaitMark returns when the mark can be seen: the kernel shows an empty environment for an instant after the start.
func (owner Owner) awaitMark(pid int, ended <-chan struct{}) {
	for range 1000 {
		if _, seen := owner.programOf(pid); seen {
			return
		}
		select {
		case <-ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// The user's cluster must stay out of reach of what runs here.
func withoutKubeconfig(environment []string) []string {
	return slices.DeleteFunc(slices.Clone(environment), func(entry string) bool { return strings.HasPrefix(entry, "KUBECONFIG=") })
}

// Find lists the owner's living processes.
func (owner Owner) Find() []Marked {
	folders, _ := filepath.Glob("/proc/[0-9]*")
	var found []Marked
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue
		}
		if program, ours := owner.programOf(pid); ours {
			found = append(found, Marked{pid, program})
		}
	}
	return found
}

// programOf reads the mark of a process. One that ended, or another user's, carries none.
func (owner Owner) programOf(pid int) (string, bool) {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return "", false
	}
	mark := parseMark(environment)
	if mark.owner != owner {
		return "", false
	}
	// containerd's shims outlive it and carry its mark: they must not be taken for it.
	if arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(firstEntry(arguments), "containerd-shim") {
		return "containerd-shim", true
	}
	return mark.program, true
}

type mark struct {
	owner   Owner
	program string
}

// parseMark reads the mark out of an environment as /proc shows it: entries separated by zero bytes.
func parseMark(environment []byte) mark {
	var read mark
	for entry := range strings.SplitSeq(string(environment), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case ownerVariable:
			read.owner = Owner(value)
		case programVariable:
			read.program = value
		}
	}
	return read
}

func firstEntry(entries []byte) string {
	first, _, _ := strings.Cut(string(entries), "\x00")
	return first
}

// Alive says whether the program runs.
func (owner Owner) Alive(program string) bool {
	return slices.ContainsFunc(owner.Find(), func(process Marked) bool { return process.Program == program })
}

// Stop ends the named programs, all at once: politely first, then not. Without names it ends everything of the owner.
func (owner Owner) Stop(programs ...string) {
	chosen := func() []Marked {
		return slices.DeleteFunc(owner.Find(), func(process Marked) bool {
			return len(programs) > 0 && !slices.Contains(programs, process.Program)
		})
	}
	owner.signal(chosen(), syscall.SIGTERM)
	for deadline := time.Now().Add(obeyBound); time.Now().Before(deadline); time.Sleep(pollInterval) {
		if len(chosen()) == 0 {
			return
		}
	}
	owner.signal(chosen(), syscall.SIGKILL)
	for deadline := time.Now().Add(obeyBound); len(chosen()) > 0 && time.Now().Before(deadline); {
		time.Sleep(pollInterval)
	}
}

// signal reaches a process through its handle, and looks at the mark once more behind it: the pid cannot be another's by then.
func (owner Owner) signal(processes []Marked, signal syscall.Signal) {
	for _, process := range processes {
		handle, err := os.FindProcess(process.Pid)
		if err != nil {
			continue
		}
		if _, ours := owner.programOf(process.Pid); ours {
			_ = handle.Signal(signal)
		}
		_ = handle.Release()
	}
}
