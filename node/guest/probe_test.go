package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeVariable makes this test's program a QEMU that does what it says.
const fakeVariable = "CAIRN_TEST_QEMU"

func TestMain(m *testing.M) {
	if what, ok := os.LookupEnv(fakeVariable); ok {
		fakeQEMU(what)
		return
	}
	os.Exit(m.Run())
}

func fakeQEMU(what string) {
	say := func(s string) { fmt.Print(s) }
	for range 20 {
		say("[    0.000000] a line of a kernel\r\n")
	}
	switch what {
	case "works":
		say("[    0.9] " + payloadWord[:5])
		say(payloadWord[5:] + "\r\n") // kernel and program may share a line
	case "refuses":
		fmt.Fprintln(os.Stderr, "qemu: failed to initialize kvm: Permission denied")
		os.Exit(1)
	case "gives up":
		fmt.Fprintln(os.Stderr, "KVM internal error. Suberror: 1\nextra data[0]: 0x1")
	case "ends":
		return
	case "talks":
		for {
			say("still at it\n")
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(time.Hour) // until it is killed
}

// A fake QEMU plays every way in which a probe can end.
func TestProbeEnds(t *testing.T) {
	kernel := os.Args[0] // any file
	for what, want := range map[string]Answer{
		"works":    {true, "a kernel has run a program under TCG, "},
		"refuses":  {false, `QEMU ended before a kernel had started under TCG: exit status 1; QEMU says: "qemu: failed to initialize kvm: Permission denied"`},
		"gives up": {false, `TCG opened, but gave up on a kernel: KVM internal error. Suberror: 1`},
		"ends":     {false, "QEMU ended before a kernel had started under TCG"},
		"talks":    {false, "TCG opened, but a kernel was not done in 1s"},
		"hangs":    {false, "TCG opened, but a kernel printed nothing "}, // or nothing more
	} {
		t.Run(what, func(t *testing.T) {
			t.Setenv(fakeVariable, what)
			p := Probe{Accel: "tcg", Kernel: kernel, QEMU: os.Args[0], Silence: time.Minute, Limit: time.Minute}
			switch what {
			case "talks":
				p.Limit = time.Second
			case "hangs":
				p.Silence = time.Second
			}
			got, err := p.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.Works != want.Works || !strings.HasPrefix(got.Reason, want.Reason) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// The reason of a no shows how far the kernel came.
func TestSilenceIsExplained(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	defer end(nil)
	tr := &transcript{probe: Probe{Accel: "kvm", Silence: time.Hour, Limit: time.Hour}, end: end}
	defer tr.start()()
	for _, s := range []string{"Probing EDD", "... ok\r\n", "\r\n  "} {
		if _, err := tr.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	tr.silent()
	want := `KVM opened, but a kernel printed nothing more in 1h0m0s; its last words: "Probing EDD... ok"`
	if got := context.Cause(ctx); got == nil || got.Error() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestProbeWithoutItsParts(t *testing.T) {
	p := KVM(filepath.Join(t.TempDir(), "vmlinuz"))
	got, err := p.Run(t.Context())
	if err != nil || got.Works || !strings.Contains(got.Reason, "no ") {
		t.Errorf("without a kernel: %+v, %v", got, err)
	}
	p.Accel, p.Kernel, p.QEMU = "tcg", os.Args[0], "no-such-program"
	if got, err = p.Run(t.Context()); err != nil || got.Works || !strings.Contains(got.Reason, "no-such-program") {
		t.Errorf("without QEMU: %+v, %v", got, err)
	}
}

func TestProbeThatIsCutOffHasNoAnswer(t *testing.T) {
	t.Setenv(fakeVariable, "hangs")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := Probe{Accel: "tcg", Kernel: os.Args[0], QEMU: os.Args[0], Silence: time.Minute, Limit: time.Minute}
	if a, err := p.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %+v, %v; want %v", a, err, context.Canceled)
	}
}

func TestAnswersAreRememberedForOneBoot(t *testing.T) {
	file, asked := filepath.Join(t.TempDir(), "kvm.json"), 0
	ask := func(context.Context) (Answer, error) { asked++; return no("answer %d", asked), nil }
	broken := errors.New("broken")
	if _, err := Once(t.Context(), file, "one", func(context.Context) (Answer, error) { return Answer{}, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	for i, boot := range []string{"one", "one", "two", "two", "one"} {
		want := []string{"answer 1", "answer 1", "answer 2", "answer 2", "answer 3"}[i]
		if a, err := Once(t.Context(), file, boot, ask); err != nil || a.Reason != want {
			t.Errorf("in boot %s: %+v, %v; want %s", boot, a, err, want)
		}
	}
}

// realKernel is that of the guest images, or of this machine.
func realKernel(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86_64 is not installed; it is what a probe runs")
	}
	for _, f := range []string{"../../out/guest/aki", RunningKernel()} {
		if _, err := os.Stat(f); err == nil {
			return f
		}
	}
	t.Skip("there is no kernel: `make guest` makes out/guest/aki, and this machine has none that can be read")
	return ""
}

// The probe's kernel and program work where the accelerator is known to work,
// so that a no is KVM's.
func TestProbeUnderTCG(t *testing.T) {
	p := KVM(realKernel(t))
	p.Accel, p.CPU, p.Silence, p.Limit = "tcg", "qemu64,+x2apic,+rdrand", 3*time.Minute, 15*time.Minute
	got, err := p.Run(t.Context())
	if err != nil || !got.Works {
		t.Fatalf("got %+v, %v", got, err)
	}
	t.Log(got.Reason)
}

// Whatever this machine's KVM is, the probe ends with an answer, and yes means
// that a program has spoken.
func TestProbeOfThisMachine(t *testing.T) {
	p := KVM(realKernel(t))
	// Some KVMs end QEMU when they are asked for all that the processor has,
	// and hang when they are not.
	for _, cpu := range []string{p.CPU, "host,-arch-capabilities"} {
		p.CPU = cpu
		got, err := p.Run(t.Context())
		if err != nil || got.Reason == "" || got.Works != strings.HasPrefix(got.Reason, "a kernel has run a program under KVM") {
			t.Errorf("with CPU %s: %+v, %v", cpu, got, err)
		}
		t.Logf("with CPU %s: %+v", cpu, got)
	}
}
