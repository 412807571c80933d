package demo

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tui"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// A viewer reads what comes to a terminal, and types.
type viewer struct {
	t   *testing.T
	far *os.File

	mu   sync.Mutex // guards seen
	seen bytes.Buffer
}

func (v *viewer) read() {
	for b := make([]byte, 4096); ; {
		n, err := v.far.Read(b)
		if err != nil {
			return
		}
		v.mu.Lock()
		v.seen.Write(b[:n])
		v.mu.Unlock()
	}
}

// see waits until the text is drawn, all of it anew.
func (v *viewer) see(text string) {
	v.t.Helper()
	const patience = time.Minute
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		v.mu.Lock()
		has := strings.Contains(v.seen.String(), text)
		v.seen.Reset()
		v.mu.Unlock()
		if has {
			return
		}
		v.press("\x0c") // Ctrl-L
	}
	v.t.Fatalf("the screen never shows %q", text)
}

func (v *viewer) press(keys string) {
	v.t.Helper()
	if _, err := v.far.WriteString(keys); err != nil {
		v.t.Fatal(err)
	}
}

func terminal(t *testing.T) (*viewer, *tui.Terminal) {
	t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	c, err := far.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if cerr := c.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	near, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	v := &viewer{t: t, far: far}
	go v.read()
	return v, &tui.Terminal{Name: "test", Kind: "xterm", File: near}
}

// TestDemo goes from the first screen to a rack.yaml, with the disk of an
// earlier installation.
func TestDemo(t *testing.T) {
	v, term := terminal(t)
	type end struct {
		rack []byte
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		rack, err := Run(t.Context(), Options{Terminal: term, Speed: 2e9, Log: slog.New(slog.DiscardHandler)})
		ended <- end{rack, err}
	}()
	const down, last = "\x1b[B", "\x1b[6~\x1b[6~\x1b[6~" // Page Down
	v.see("What shall become of this machine?")
	v.press("\x1b[A\x1b[A\r")
	for _, title := range []string{"1 of 5", "2 of 5"} {
		v.see(title)
		v.press(last + "\r")
	}
	v.see("3 of 5")
	v.press(down + " ")
	v.press(last + "\r")
	v.see("4 of 5")
	v.press(last + "\r")
	v.see("5 of 5")
	v.press(someKey)
	v.see("ops@laptop")
	v.press(last + "\r")
	v.see("will be lost for ever")
	inv := Server()
	v.press(wizard.Code(plan.Plan{Disk: inv.Disks[1]}) + "\r")
	v.see("It is installed.")
	v.press("\r")
	e := <-ended
	rack, err := plan.ParseRack(e.rack)
	if e.err != nil || err != nil || rack.Rules[0].Disk.Serial != "S5P2" || rack.Rules[0].Disk.Wipe != plan.WipeCairn {
		t.Errorf("the rack.yaml is, after %v, %v:\n%s", e.err, err, e.rack)
	}
}

// TestLeavingTheDemo makes no rack.yaml.
func TestLeavingTheDemo(t *testing.T) {
	v, term := terminal(t)
	ended := make(chan error, 1)
	go func() {
		rack, err := Run(t.Context(), Options{Terminal: term, Log: slog.New(slog.DiscardHandler)})
		if rack != nil {
			err = fmt.Errorf("it made %s", rack)
		}
		ended <- err
	}()
	v.see("What shall become of this machine?")
	v.press("\x03")
	v.see("Leave?")
	v.press("\x1b[B\r")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
