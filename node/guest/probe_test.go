package guest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// probeVariable makes this test's program the probe.
const probeVariable = "CAIRN_TEST_PROBE"

func TestMain(m *testing.M) {
	if os.Getenv(probeVariable) != "" {
		if err := ProbeKVM(); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The probe ends with an answer, whatever this machine has.
func TestKVMWorks(t *testing.T) {
	t.Setenv(probeVariable, "1")
	works, why := KVMWorks(t.Context(), os.Args[0])
	t.Logf("KVM works: %v: %s", works, why)
	if why == "" {
		t.Error("no reason")
	}
	if _, err := os.Stat("/dev/kvm"); err != nil && works {
		t.Error("KVM works without /dev/kvm")
	}
}

func TestKVMThatIsNotThere(t *testing.T) {
	name, err := exec.LookPath("false")
	if err != nil {
		t.Skip("no program called false")
	}
	if works, why := KVMWorks(t.Context(), name); works || !strings.Contains(why, "exit status 1") {
		t.Errorf("got %v, %q", works, why)
	}
}
