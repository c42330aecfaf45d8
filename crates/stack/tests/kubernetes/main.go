// Prints what Kubernetes' own code makes of the texts below, for the tests of src/{quantity,duration}.rs.
//
// It belongs to no module of its own. From tests/cluster, whose module has k8s.io/apimachinery:
//
//	go run ../../crates/stack/tests/kubernetes/main.go quantities >../../crates/stack/tests/kubernetes/quantities.tsv
//	go run ../../crates/stack/tests/kubernetes/main.go durations >../../crates/stack/tests/kubernetes/durations.tsv
package main

import (
	"fmt"
	"os"
	"time"

	"gopkg.in/inf.v0"
	"k8s.io/apimachinery/pkg/api/resource"
)

var quantities = []string{
	"0", "1", "100", "+1", "-1", "1.", ".1", ".5", "0.5", "1.5", "00.10", "1.0", "100.035", "1.2.3", ".", "",
	"1n", "999999n", "1000001n", "1u", "1500u", "1m", "500m", "1500m", "1.5m", "0.1m", "12.3k", "1k", "1K", "1M", "1G", "1T", "1P", "1E",
	"1Ki", "1Mi", "2Gi", "1.5Gi", "0.5Mi", "1Ti", "1Pi", "1Ei", "1ki", "1mi", ".001Ki", "1.1Ki", "+2Gi",
	"1e3", "1E3", "1e+3", "1e-3", "1E-3", "12E2", "1.5e3", "1e", "1e+", "1e0", "1e-9", "1e1.5", "5e-1", "+1e3",
	"0.0000000001", "0.0001", "0.00000000000000000001", "123456789.123456789", "1.23456789e8", "0.000000001Gi",
	"Gi", "2GiB", "2GB", "2 Gi", " 1", "1 ", "two", "0x10", "1mm", "1i", "1.5i", "1+1", "1Gi2", "--1", "+-1", "1,5", "1_000", "٣",
}

var durations = []string{
	"0", "0s", "1s", "90s", "5m", "1h", "1h30m", "1h2m3s", "1.5m", ".5m", "1.m", "0.5h", "2000ms", "1000000us", "1000000µs", "1000000μs",
	"1000000000ns", "+5s", "-5s", "1m1m", "3s1h", "1.0000000001s", "1m0.000s", "0.1m", "500ms", "1.5s", "1ns", "",
	"90", "s", "1d", "1s2", "5 m", "1..5s", ".s", "1.2.3s", "+", "-", "1S", "1M", "1w", " 1s", "1s ", "1e3s", "--1s", "+-1s", "1h-1m", "٣s",
}

func quantity(text string) string {
	parsed, err := resource.ParseQuantity(text)
	if err != nil || parsed.Sign() < 0 {
		return "refused"
	}
	// ScaledValue overflows at 1E: it answers in 64 bits.
	return new(inf.Dec).Round(parsed.AsDec(), 3, inf.RoundCeil).UnscaledBig().String()
}

func duration(text string) string {
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 || parsed%time.Second != 0 {
		return "refused"
	}
	return fmt.Sprintf("%ds", int64(parsed/time.Second))
}

func main() {
	texts, read := quantities, quantity
	if len(os.Args) == 2 && os.Args[1] == "durations" {
		texts, read = durations, duration
		fmt.Println("# Go's time.ParseDuration, by main.go: text, seconds. Refused is also what is negative or not in whole seconds.")
	} else {
		fmt.Println("# Kubernetes' resource.ParseQuantity, by main.go: text, value in thousandths rounded up. Refused is also what is negative.")
	}
	for _, text := range texts {
		fmt.Printf("%s\t%s\n", text, read(text))
	}
}
