package convert

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

func converter(t testing.TB, o Options) *Converter {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Skipf("nothing can be converted here: %v", err)
	}
	return c
}

// make a disk image with something in it.
func qemu(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "qemu-img", args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %v: %v: %s", args, err, out)
	}
}

// out is a name in a directory of its own.
func out(t testing.TB) string { return filepath.Join(t.TempDir(), "out") }

// Every format comes out as the disk that went in.
func TestFormats(t *testing.T) {
	c := converter(t, Options{})
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	data := bytes.Repeat([]byte("some data, "), 1<<18)
	data = append(data, make([]byte, 4<<20-len(data))...)
	if err := os.WriteFile(disk, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"qcow2", "vmdk", "vdi", "vhd", "vhdx", "raw"} {
		img := filepath.Join(dir, format)
		qemu(t, "convert", "-f", "raw", "-O", drivers[format], disk, img)
		to, percent := out(t), 0.0
		err := c.Run(t.Context(), Job{From: img, Format: format, To: to, Wanted: "raw", MaxSize: 64 << 20, Progress: func(p float64) { percent = p }})
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		got, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(got[:min(len(got), len(data))]) != sha256.Sum256(data) || percent != 100 {
			t.Errorf("%s: %d bytes, %v %%, want the %d bytes of the disk, 100 %%", format, len(got), percent, len(data))
		}
	}
	if err := c.Run(t.Context(), Job{From: disk, Format: "raw", To: out(t), Wanted: "qcow2", MaxSize: 64 << 20}); err != nil {
		t.Errorf("to qcow2: %v", err)
	}
	for _, bad := range [][2]string{{"iso", "raw"}, {"raw", "iso"}, {"", "raw"}} {
		if err := c.Run(t.Context(), Job{From: disk, Format: bad[0], To: out(t), Wanted: bad[1]}); err == nil {
			t.Errorf("converted from %q to %q", bad[0], bad[1])
		}
	}
}

// Images that make qemu-img open other files get nothing, even if nobody has
// looked at them before.
func TestHostileImages(t *testing.T) {
	c := converter(t, Options{})
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, bytes.Repeat([]byte("SECRET! "), 8<<10), 0o644); err != nil { //nolint:gosec // anybody could read it
		t.Fatal(err)
	}
	backing, data, flat := filepath.Join(dir, "backing"), filepath.Join(dir, "data"), filepath.Join(dir, "flat")
	qemu(t, "create", "-q", "-f", "qcow2", "-u", "-b", secret, "-F", "raw", backing, "64K")
	qemu(t, "create", "-q", "-f", "qcow2", "-o", "data_file="+secret+".x,data_file_raw=on", data, "64K")
	if err := os.Rename(secret+".x", secret+".y"); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(secret, secret+".x"); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 128 FLAT %q 0\n", secret)
	if err := os.WriteFile(flat, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for img, format := range map[string]string{backing: "qcow2", data: "qcow2", flat: "vmdk"} {
		naive := out(t)
		qemu(t, "convert", "-f", format, "-O", "raw", img, naive)
		if got, err := os.ReadFile(naive); err != nil || !bytes.Contains(got, []byte("SECRET!")) {
			t.Fatalf("%s is no attack: %v", img, err)
		}
		to := out(t)
		err := c.Run(t.Context(), Job{From: img, Format: format, To: to, Wanted: "raw", MaxSize: 1 << 20})
		if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Kind != cloud.KindBadRequest || strings.Contains(e.Message, dir) {
			t.Errorf("%s: %v, want a refusal without paths", filepath.Base(img), err)
		}
		if _, err := os.Stat(to); err == nil {
			t.Errorf("%s: a result was left", filepath.Base(img))
		}
	}
}

// A program that is not qemu-img any more gets nowhere.
func TestFence(t *testing.T) {
	c := converter(t, Options{Memory: 256 << 20, CPU: time.Second, Timeout: time.Minute})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	from := filepath.Join(dir, "from")
	if err := os.WriteFile(from, []byte("the image"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for what, c2 := range map[string]struct {
		script string
		ok     bool
	}{
		"reads the image":      {"read -r x < " + from + " || [ \"$x\" = 'the image' ]", true},
		"writes a result":      {"echo x > out", true},
		"writes the image":     {"echo x > " + from, false},
		"removes the image":    {"rm -f " + from, false},
		"reads others' files":  {"read -r x < /etc/passwd", false},
		"lists others' files":  {"ls " + dir, false},
		"lists processes":      {"ls /proc", false},
		"writes elsewhere":     {"echo x > " + dir + "/y", false},
		"makes a directory":    {"mkdir d", false},
		"makes a link":         {"ln -s /etc/passwd l", false},
		"connects":             {"exec 3<>/dev/tcp/127.0.0.1/" + port, false},
		"kills its parent":     {"kill -9 $PPID", false},
		"leaves its mounts":    {"unshare -m true", false},
		"leaves its user":      {"unshare -Ur true", false},
		"writes a large file":  {"head -c 2M /dev/zero > out", false},
		"fills the memory":     {"head -c 400M /dev/zero | tail", false},
		"never ends":           {"while :; do :; done", false},
		"talks without an end": {"while :; do echo \"$$ $$ $$ $$ $$\"; done", false},
		"leaves a process":     {"sleep 1000 & exit 0", true},
	} {
		if what == "talks without an end" {
			c2.script = "yes >&2"
		}
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			j := Job{From: from, Format: "raw", To: out(t), Wanted: "raw", MaxSize: 1 << 20, instead: []string{"/usr/bin/bash", "-c", c2.script}}
			if err := c.Run(t.Context(), j); (err == nil) != c2.ok {
				t.Errorf("%v, want it to work: %v", err, c2.ok)
			}
		})
	}
	if err := l.(*net.TCPListener).SetDeadline(time.Now()); err != nil { //nolint:forcetypeassert // it is one
		t.Fatal(err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a connection came out")
	}
	if b, err := os.ReadFile(from); err != nil || string(b) != "the image" {
		t.Errorf("the image is %q (%v)", b, err)
	}
}

// What takes too long is killed, with what it has started, and leaves nothing.
func TestTimeout(t *testing.T) {
	c := converter(t, Options{Timeout: 300 * time.Millisecond})
	to := out(t)
	err := c.Run(t.Context(), Job{
		From: "/dev/null", Format: "raw", To: to, Wanted: "raw", MaxSize: 1 << 20,
		instead: []string{"/usr/bin/bash", "-c", "echo x > out; (sleep 1000 > pid2) & sleep 1000"},
	})
	if cloud.KindOf(err) != cloud.KindBadRequest || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v, want that it took too long", err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("a result was left")
	}
}

func TestPercents(t *testing.T) {
	var got []float64
	percents(strings.NewReader("    (0.00/100%)\r    (50.50/100%)\r"+strings.Repeat("x", 10_000)+"(\r(a/b)\r(100.00/100%)\r\n"), func(p float64) { got = append(got, p) })
	if fmt.Sprint(got) != "[0 50.5 100]" {
		t.Errorf("percents %v", got)
	}
	percents(io.MultiReader(), nil)
}
