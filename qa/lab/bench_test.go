package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/qa/lab/trial"
)

// BenchmarkRack takes a rack of the release in out/ from power-off to servers
// that were looked at, once: minutes to half an hour. What it reports is what
// phases.json has.
func BenchmarkRack(b *testing.B) {
	out, err := filepath.Abs("../../out")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"cairn", "cairn.iso", "guest/aki"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			b.Skipf("%v; `make iso guest` makes it", err)
		}
	}
	for range b.N {
		benchRack(b, out)
	}
}

func benchRack(b *testing.B, out string) {
	dir := b.TempDir()
	cairn := func(args ...string) error {
		cmd := exec.Command(filepath.Join(out, "cairn"), append(args, "--dir", dir)...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		return cmd.Run()
	}
	b.Cleanup(func() {
		if err := cairn("rack", "down"); err != nil {
			b.Error(err)
		}
	})
	if err := cairn("rack", "up", "--iso", filepath.Join(out, "cairn.iso"), "--guest", filepath.Join(out, "guest")); err != nil {
		b.Fatal(err)
	}
	run, err := loadRun(dir)
	if err != nil {
		b.Fatal(err)
	}
	if !run.Up {
		b.Fatalf("%s says that the rack is not up", phasesFile)
	}
	for _, s := range run.Steps {
		b.ReportMetric(float64(s.Took), unit(s.Name)+"-s")
		if s.Name == trial.FirstActive {
			b.ReportMetric(float64(s.DoneAt), "first-ACTIVE-s")
		}
	}
	b.ReportMetric(run.length().Seconds(), "cloud-up-s")
	b.ReportMetric(float64(run.Resident), "MiB")
	b.ReportMetric(0, "ns/op") // it is cloud-up-s
}

var notUnit = regexp.MustCompile(`[^0-9A-Za-z]+`)

// unit makes a name fit for the unit of a metric, which has no spaces.
func unit(name string) string { return strings.Trim(notUnit.ReplaceAllString(name, "-"), "-") }
