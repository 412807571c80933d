package person

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// A bench is what the test of a whole installation needs.
type bench struct{ kernel, initrd, iso string }

// newBench makes an ISO of a built release, and its initramfs with the
// program of this source in it.
func newBench(t *testing.T) bench {
	t.Helper()
	release := os.Getenv("CAIRN_RELEASE")
	if os.Getenv("CAIRN_LONG") == "" || release == "" {
		t.Skip("installs a machine in emulation; CAIRN_LONG=1 CAIRN_RELEASE=<directory of a release> runs it")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86_64 is not installed; it is what machines are made of")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir+"/", "../../../cmd/cairn", "../../../cmd/cairn-build")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b := bench{kernel: filepath.Join(release, "vmlinuz"), initrd: filepath.Join(dir, "initramfs"), iso: filepath.Join(dir, "cairn.iso")}
	out, err := exec.Command(filepath.Join(dir, "cairn-build"), "iso", "build", "--out", filepath.Dir(filepath.Clean(release)), "--file", b.iso).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	layer(t, filepath.Join(release, "initramfs"), filepath.Join(dir, "cairn"), b.initrd)
	return b
}

// layer puts a program above that of an initramfs: what comes later wins.
func layer(t *testing.T, initramfs, program, out string) {
	t.Helper()
	all, err := os.ReadFile(initramfs)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, make([]byte, (4-len(all)%4)%4)...)
	var more bytes.Buffer
	w := cpio.Newc.Writer(&more)
	if err := w.WriteRecord(cpio.StaticFile("bin/cairn", string(raw), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, append(all, more.Bytes()...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sit starts the machine with the medium and sits down at its serial line.
func (b bench) sit(t *testing.T, port int) *Person {
	t.Helper()
	m, err := machine.New(machine.Spec{
		Name: "bare", Dir: t.TempDir(), CPUs: 2, MemoryMiB: 2048, Firmware: machine.BIOS,
		UUID: "564d0001-0000-4000-8000-000000000001", Serial: "SN1",
		Disks:  []machine.Disk{{File: "disk.img", SizeGiB: 20, Serial: "disk0"}},
		CDROMs: []machine.CDROM{{File: b.iso}},
		NICs: []machine.NIC{{MAC: "52:54:00:00:00:0a", User: &machine.User{}},
			{MAC: "52:54:00:00:00:0b", User: &machine.User{Forwards: []machine.Forward{{From: port, To: 443}}}}},
		Kernel: b.kernel, Initrd: b.initrd,
		Append: "cairn.mode=install console=tty0 console=ttyS0,115200 quiet mitigations=off cryptomgr.notests nowatchdog audit=0 tsc=reliable no_timer_check",
	}, machine.Needs{Launcher: machine.NewLauncher(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	go m.Attach(theirs)
	p := Sit(ours, func(ctx context.Context) (any, error) { return m.Activity(ctx) })
	if err := m.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.PowerOff(context.Background()); err != nil {
			t.Error(err)
		}
		ours.Close()
	})
	return p
}

// do sees, chooses and types, in this order, as often as it takes.
func do(t *testing.T, p *Person, steps ...[3]string) {
	t.Helper()
	for _, s := range steps {
		if err := p.See(t.Context(), s[0]); err != nil {
			t.Fatal(err)
		}
		if s[1] != "" {
			if err := p.Choose(t.Context(), s[1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Type(s[2]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFromABareMachineToAController: the medium without a rack.yaml takes a
// person at the serial line to a controller whose API answers.
func TestFromABareMachineToAController(t *testing.T) {
	b := newBench(t)
	port := freePort(t)
	p := b.sit(t, port)
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBS6W3hHQpXgtyeMyD5eWi3lqZ1b7cOqOHkPXhVUAmrN ops@laptop"
	do(t, p,
		[3]string{"press a key here", "", Enter}, // wakes the line
		[3]string{"ttyS0", "Found a new cloud", Enter},
		[3]string{"1 of 5", "Network", "10.20.0.0/33"},
		[3]string{"10.20.0.0/33", "[ Go on ]", Enter},
		[3]string{`! management.network is "10.20.0.0/33"`, "Network", "\b\b24"},
		[3]string{"[10.20.0.0/24 ", "", ""},
		[3]string{"1 of 5", "[ Go on ]", Enter},
		[3]string{"2 of 5", "52:54:00:00:00:0b", " "},
		[3]string{"its address comes from a DHCP server", "Try it now", Enter},
		[3]string{"has address 10.0.2.15/24", "[ Go on ]", Enter},
		[3]string{"3 of 5", "", "\x1b"}, // and back
		[3]string{"2 of 5", "[ Go on ]", Enter},
		[3]string{"blank: nothing would be lost", "[ Go on ]", Enter},
		[3]string{"4 of 5", "Cloud", "rehearsal"},
		[3]string{"rehearsal", "[ Go on ]", Enter},
		[3]string{"5 of 5", "Type or paste", key + Enter},
		[3]string{"SHA256:BeybJq40YONWquB1jl00piOHRfy+80QGKQ0WFq2ESRs ops@laptop", "[ Go on ]", Enter},
		[3]string{"Nothing is lost.", "Type yes", "no" + Enter},
		[3]string{`! the code is "no"; allowed: yes`, "", "\b\byes" + Enter},
		[3]string{"Installing controller1 on /dev/vda", "", ""},
		[3]string{"It is installed.", "", ""},
	)
	for _, text := range []string{"ssh cairn@10.20.0.11", "Cloud's CA  sha256"} {
		if !strings.Contains(p.Screen(), text) {
			t.Errorf("the last screen does not say %q:\n%s", text, p.Screen())
		}
	}
	do(t, p, [3]string{"Start it now", "", Enter})
	answers(t, p, fmt.Sprintf("https://127.0.0.1:%d/identity/v3", port))
}

// answers waits until the API does, as long as the machine does something.
func answers(t *testing.T, p *Person, url string) {
	t.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // the CA is on the machine's disk alone
	var last any
	for since := time.Now(); ; time.Sleep(time.Second) {
		res, err := client.Get(url)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		now, aerr := p.Alive(t.Context())
		if aerr != nil {
			t.Fatal(aerr)
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > patience {
			t.Fatalf("nothing happens, and the API does not answer (%v):\n%s", err, p.Screen())
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
