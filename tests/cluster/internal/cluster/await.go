package cluster

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"uninlu.dev/testcluster/internal/fault"
	"uninlu.dev/testcluster/internal/process"
)

const (
	waitBound    = 90 * time.Second
	waitInterval = 50 * time.Millisecond
	logLines     = 8
)

func (c *Cluster) owner() process.Owner { return process.Owner(c.data) }

func (c *Cluster) logFile(program string) string { return c.path("log", program+".log") }

func (c *Cluster) run(program string, command ...string) error {
	return c.owner().Start(program, c.logFile(program), command...)
}

// await asks until ready succeeds, for as long as the program lives.
func (c *Cluster) await(ctx context.Context, program, what string, ready func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, waitBound)
	defer cancel()
	for {
		err := ready(bounded)
		if err == nil {
			return nil
		}
		if !c.owner().Alive(program) {
			return c.failed(program, fmt.Sprintf("%s ended before %s", program, what))
		}
		select {
		case <-ctx.Done():
			return fault.New("interrupted before "+what, "`cluster up` starts it again; what was started is ended")
		case <-bounded.Done():
			return c.failed(program, fmt.Sprintf("%s: not within %s (%v)", what, waitBound, err))
		case <-time.After(waitInterval):
		}
	}
}

// failed is a fault with the last words of the program's log.
func (c *Cluster) failed(program, what string) error {
	log, _ := os.ReadFile(c.logFile(program))
	problem := fault.New(what, "the reason is in "+c.logFile(program))
	problem.Details = lastLines(string(log), logLines)
	return problem
}

func lastLines(text string, count int) string {
	lines := strings.SplitAfter(text, "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	return strings.Join(lines[max(0, len(lines)-count):], "")
}
