package cluster

import (
	"fmt"
	"os"
	"syscall"

	"uninlu.dev/testcluster/internal/fault"
)

const lockFile = "lock"

// lock keeps a second `up` or `down` of the same folder out; the kernel drops it with the process, however that ends.
func (c *Cluster) lock() (unlock func(), err error) {
	if err := os.MkdirAll(c.data, 0o755); err != nil {
		return nil, fault.New(fmt.Sprintf("the folder %s cannot be made: %v", c.data, err), "name another with --data")
	}
	file, err := os.OpenFile(c.path(lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fault.New(fmt.Sprintf("the folder %s cannot be written: %v", c.data, err), "name another with --data")
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fault.New(fmt.Sprintf("another `cluster up` or `down` works on %s right now", c.data), "wait until it ends")
	}
	return func() { file.Close() }, nil
}
