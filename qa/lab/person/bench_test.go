package person

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/qa/built"
	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// A bench is where bare machines stand: the medium, and a switch.
type bench struct {
	iso      string
	sw       *fabric.Switch
	launcher *machine.Launcher
}

// newBench finds the ISO, or skips the test.
func newBench(t *testing.T) bench {
	t.Helper()
	built.Long(t)
	built.Tools(t, "qemu-system-x86_64")
	iso := filepath.Join(built.Out(t, "cairn.iso"), "cairn.iso")
	return bench{iso: iso, sw: fabric.New("tor-1"), launcher: machine.NewLauncher()}
}

// plugged is a NIC in a new port of the switch.
func (b bench) plugged(t *testing.T, mac string, c fabric.PortConfig) machine.NIC {
	t.Helper()
	p, err := b.sw.AddPort(c)
	if err != nil {
		t.Fatal(err)
	}
	return machine.NIC{MAC: mac, Port: p}
}

// sit starts a bare machine with the medium in its drive and sits down at its
// serial line.
func (b bench) sit(t *testing.T, number string, f machine.Firmware, nics ...machine.NIC) *Person {
	t.Helper()
	m, err := machine.New(machine.Spec{
		Name: "bare" + number, Dir: t.TempDir(), CPUs: 2, MemoryMiB: 2048, Firmware: f,
		UUID: "564d0001-0000-4000-8000-00000000000" + number, Serial: "SN" + number,
		Disks:  []machine.Disk{{File: "disk.img", SizeGiB: 16, Serial: "disk" + number, BootIndex: 1}},
		CDROMs: []machine.CDROM{{File: b.iso, BootIndex: 2}}, NICs: nics,
	}, machine.Needs{Launcher: b.launcher, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	left := make(chan error, 1)
	go func() { left <- m.Attach(theirs) }()
	p := Sit(ours, func(ctx context.Context) (any, error) { return m.Activity(ctx) })
	if err := m.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.PowerOff(context.Background()); err != nil {
			t.Error(err)
		}
		theirs.Close()
		ours.Close()
		<-left // what it says is that we hung up
	})
	return p
}

// A step is what a person waits for, goes to and types there.
type step struct{ see, choose, keys string }

// do takes the steps one after the other.
func do(t *testing.T, p *Person, steps ...step) {
	t.Helper()
	for _, s := range steps {
		if err := p.See(t.Context(), s.see); err != nil {
			t.Fatal(err)
		}
		if s.choose != "" {
			if err := p.Choose(t.Context(), s.choose); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: %q", s.see, s.choose)
		if err := p.Type(s.keys); err != nil {
			t.Fatal(err)
		}
	}
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
