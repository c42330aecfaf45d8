// Command testcluster is every program of a one-node Kubernetes in one binary, and the orchestration that starts and
// stops them, for tests and the demo. The script `cluster` beside it builds it and calls it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"k8s.io/klog/v2"

	"uninlu.dev/testcluster/internal/cluster"
	"uninlu.dev/testcluster/internal/fault"
)

const usage = `usage: cluster up     --data DIR [--size control-plane|node] [--fake-nodes N] [--registry] [--registry-port N] [--fast-autoscaler]
                               [--metrics] [--adapter-rules FILE]
       cluster down   --data DIR [--keep]     ends it; removes the folder unless --keep
       cluster status --data DIR [--json]     exit 1 unless all is well
       cluster binary                         builds the binary where it is missing, and prints its path
`

var errNotHealthy = errors.New("not healthy")

func main() {
	if len(os.Args) > 1 {
		runProgram(os.Args[1], os.Args[2:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// The libraries' own talk is for their programs; here the error itself says it.
	klog.SetOutput(io.Discard)
	klog.LogToStderr(false)
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case errors.Is(err, errNotHealthy):
		os.Exit(1)
	case err != nil:
		fmt.Fprint(os.Stderr, fault.Describe(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	commands := map[string]func(context.Context, []string) error{"up": up, "down": down, "status": status}
	if len(arguments) == 0 || commands[arguments[0]] == nil {
		fmt.Fprint(os.Stderr, usage)
		return flag.ErrHelp
	}
	return commands[arguments[0]](ctx, arguments[1:])
}

// parse reads the flags of a command, all of which have --data.
func parse(name string, arguments []string, define func(*flag.FlagSet)) (data string, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&data, "data", "", "")
	define(flags)
	err = flags.Parse(arguments)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err == nil && data == "" {
		err = errors.New("--data DIR is missing")
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "error: %s: %v\n", name, err)
	}
	if err != nil {
		fmt.Fprint(os.Stderr, usage)
		return "", flag.ErrHelp
	}
	return data, nil
}

func say(words string) { fmt.Fprintln(os.Stderr, words) }

func up(ctx context.Context, arguments []string) error {
	asked := cluster.Settings{Size: cluster.ControlPlane}
	data, err := parse("up", arguments, func(flags *flag.FlagSet) {
		flags.Func("size", "", asked.Size.Set)
		flags.IntVar(&asked.FakeNodes, "fake-nodes", 0, "")
		flags.BoolVar(&asked.Registry, "registry", false, "")
		flags.IntVar(&asked.RegistryPort, "registry-port", 5000, "")
		flags.BoolVar(&asked.FastAutoscaler, "fast-autoscaler", false, "")
		flags.BoolVar(&asked.Metrics, "metrics", false, "")
		flags.Func("adapter-rules", "", func(file string) error {
			rules, err := os.ReadFile(file)
			asked.AdapterRules = string(rules)
			return err
		})
	})
	if err != nil {
		return err
	}
	return cluster.Up(ctx, data, asked, say)
}

func down(ctx context.Context, arguments []string) error {
	var keep bool
	data, err := parse("down", arguments, func(flags *flag.FlagSet) { flags.BoolVar(&keep, "keep", false, "") })
	if err != nil {
		return err
	}
	return cluster.Down(ctx, data, keep, say)
}

func status(ctx context.Context, arguments []string) error {
	var asJSON bool
	data, err := parse("status", arguments, func(flags *flag.FlagSet) { flags.BoolVar(&asJSON, "json", false, "") })
	if err != nil {
		return err
	}
	report, found, err := cluster.Status(ctx, data)
	if err != nil {
		return err
	}
	if !found {
		say("there is no cluster in " + data)
		return errNotHealthy
	}
	if err := show(report, asJSON); err != nil {
		return err
	}
	if !report.Healthy {
		return errNotHealthy
	}
	return nil
}

func show(report cluster.Report, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(report)
	}
	words := map[bool]string{true: "up", false: "dead"}
	for _, program := range slices.Sorted(maps.Keys(report.Programs)) {
		fmt.Printf("%s %s\n", program, words[report.Programs[program]])
	}
	return nil
}
