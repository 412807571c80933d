package scale

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// innerEnv marks the copy of a test that runs in its own network namespace.
const innerEnv = "CAIRN_TEST_INNER"

// inNamespace runs the test again in a network namespace of its own, and
// returns what that copy said, or tells that this is the copy.
func inNamespace(tb testing.TB, run string) (string, bool) {
	tb.Helper()
	if os.Getenv(innerEnv) == tb.Name() {
		return "", true
	}
	cmd := exec.Command(os.Args[0], "-test.run="+run, "-test.v", "-test.timeout=0")
	cmd.Env = append(os.Environ(), innerEnv+"="+strings.Trim(run, "^$"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		tb.Skip("no network namespace: this needs root")
	}
	if err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return string(out), false
}

// build makes the program that deploys.
func build(tb testing.TB) string {
	tb.Helper()
	if _, err := os.Stat("/usr/lib/ipxe/undionly.kpxe"); err != nil {
		tb.Skip("iPXE's loaders are missing; make deps brings them")
	}
	file := filepath.Join(tb.TempDir(), "cairn")
	cmd := exec.Command("go", "build", "-o", file, "github.com/cairn-cloud/cairn/cmd/cairn")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return file
}

// machines of the test; the benchmark takes 500.
const machines = 60

// binaryEnv and machinesEnv say to the inner copy what to run.
const (
	binaryEnv   = "CAIRN_SCALE_BINARY"
	machinesEnv = "CAIRN_SCALE_MACHINES"
)

// TestMachinesThatBootAtOnce: every one gets its plan, with a name and an
// address that no other has.
func TestMachinesThatBootAtOnce(t *testing.T) {
	if os.Getenv(innerEnv) == "" {
		t.Setenv(binaryEnv, build(t))
		if os.Getenv(machinesEnv) == "" {
			t.Setenv(machinesEnv, strconv.Itoa(machines))
		}
	}
	if out, inner := inNamespace(t, "^TestMachinesThatBootAtOnce$"); !inner {
		t.Log(out)
		return
	}
	n, err := strconv.Atoi(os.Getenv(machinesEnv))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	dir := t.TempDir()
	r, err := Run(ctx, os.Getenv(binaryEnv), dir, n)
	if err != nil {
		t.Error(err)
	}
	for _, err := range r.Failed[:min(10, len(r.Failed))] {
		t.Error(err)
	}
	if len(r.Failed) > 0 {
		log, err := os.ReadFile(filepath.Join(dir, "deploy.log"))
		t.Errorf("%d of %d machines failed; the deployer says (%v):\n%s", len(r.Failed), n, err, tail(string(log), 40))
	}
	if len(r.Duplicates) > 0 {
		t.Errorf("given twice: %v", r.Duplicates)
	}
	t.Logf("figures: %d %.3f %.3f %.3f %.1f", n, r.Leases.Seconds(), r.Plans.Seconds(), r.CPU.Seconds(), r.PeakMiB)
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// BenchmarkFiveHundredMachines boots 500 machines at once against one
// deployer. Bound: all planned, the deployer under 300 MiB.
func BenchmarkFiveHundredMachines(b *testing.B) {
	b.Setenv(binaryEnv, build(b))
	b.Setenv(machinesEnv, "500")
	for b.Loop() {
		out, _ := inNamespace(b, "^TestMachinesThatBootAtOnce$")
		_, figures, ok := strings.Cut(out, "figures: ")
		if !ok {
			b.Fatal(out)
		}
		f := strings.Fields(figures)
		value := func(i int) float64 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				b.Fatal(err)
			}
			return v
		}
		n := value(0)
		b.ReportMetric(n/value(1), "first_leases/s")
		b.ReportMetric(n/value(2), "plans/s")
		b.ReportMetric(value(3)/n*1000, "deployer_cpu_ms/machine")
		b.ReportMetric(value(4), "deployer_MiB")
	}
}
