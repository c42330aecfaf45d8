package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"uninlu.dev/testcluster/internal/metrics"
)

// programs are Kubernetes' own commands, etcd's, and those of the metrics APIs.
var programs = map[string]func(){
	"etcd":               func() { etcdmain.Main(os.Args) },
	"apiserver":          func() { runCommand(apiserver.NewAPIServerCommand()) },
	"controller-manager": func() { runCommand(controllermanager.NewControllerManagerCommand()) },
	"scheduler":          func() { runCommand(scheduler.NewSchedulerCommand()) },
	"proxy":              func() { runCommand(proxy.NewProxyCommand()) },
	"kubelet":            func() { runCommand(kubelet.NewKubeletCommand(context.Background())) },
	"metrics-server":     func() { runCommand(metrics.NewServerCommand()) },
	"prometheus-adapter": func() { runPlain(metrics.RunAdapter) },
	"targets":            func() { runPlain(metrics.RunTargets) },
}

func runCommand(command *cobra.Command) { os.Exit(cli.Run(command)) }

func runPlain(program func([]string) error) {
	if err := program(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runProgram becomes the program, if there is one of that name. The programs read os.Args themselves and log its first
// entry as their own name.
func runProgram(name string, flags []string) {
	program, known := programs[name]
	if !known {
		return
	}
	os.Args = append([]string{filepath.Join(filepath.Dir(os.Args[0]), name)}, flags...)
	program()
	os.Exit(0)
}
