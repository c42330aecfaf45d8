package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Ports for a cluster of its own lie below those that Linux gives to outgoing connections and Kubernetes to NodePorts.
const firstFreePort, freePorts = 20000, 9000

// FreePort is preferred when nobody listens on it, else another port of 127.0.0.1 that is free now.
func FreePort(preferred int) (int, error) {
	if preferred != 0 && IsFree(preferred) {
		return preferred, nil
	}
	for range 100 {
		if port := firstFreePort + rand.IntN(freePorts); IsFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d", firstFreePort, firstFreePort+freePorts)
}

// IsFree says whether the port can be listened on, on every address of this machine.
func IsFree(port int) bool {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// Listener names the process that listens on port, as far as this user may see it; else "another process".
func Listener(port int) string {
	sockets := map[string]bool{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, _ := os.ReadFile(file)
		for _, inode := range listeningInodes(string(table), port) {
			sockets["socket:["+inode+"]"] = true
		}
	}
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, descriptor := range descriptors {
		if target, err := os.Readlink(descriptor); err == nil && sockets[target] {
			pid, _ := strconv.Atoi(strings.Split(descriptor, "/")[2])
			return Name(pid)
		}
	}
	return "another process"
}

// listeningInodes reads the kernel's table of TCP sockets: local address in the second column, state (0A: listening) in
// the fourth, inode in the tenth.
func listeningInodes(table string, port int) []string {
	var inodes []string
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		columns := strings.Fields(line)
		if len(columns) > 9 && strings.HasSuffix(columns[1], suffix) && columns[3] == "0A" {
			inodes = append(inodes, columns[9])
		}
	}
	return inodes
}
