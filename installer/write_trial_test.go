package installer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/network"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/slot"
	"github.com/cairn-cloud/cairn/installer/source"
)

// What the machine of [BenchmarkWriteInMachine] says on its console.
const (
	trialResult = "trial: %s %s %f %f" // place, what, bytes, nanoseconds
	trialDone   = "trial: done"
	trialFailed = "trial: failed: "
)

// The machine's NIC, and the port where it waits for the connections that it
// sends its requests through; each begins with a greeting.
const (
	trialMAC  = "52:54:00:00:00:01"
	trialPort = 9000
	greeting  = "."
)

// rounds is how often everything is measured.
const rounds = 3

// places are where bytes come from: the medium, HTTP from outside, memory.
var places = []string{"cd", "http", "ram"}

// TestMain runs the tests of the package; or, where this program is the first
// process of a machine, the inner part of [BenchmarkWriteInMachine].
func TestMain(m *testing.M) {
	if os.Getpid() != 1 {
		os.Exit(m.Run())
	}
	if err := insideMachine(context.Background()); err != nil {
		fmt.Println(trialFailed + err.Error())
	} else {
		fmt.Println(trialDone)
	}
	idle() // until the plug is pulled
}

// A trial is the machine that is measured.
type trial struct {
	target string // disk
	parts  []plan.Partition
	places map[string]source.Place
}

func insideMachine(ctx context.Context) error {
	t, err := prepare(ctx)
	if err != nil {
		return err
	}
	keys, err := slot.ReadKeys(slot.KeysFile)
	if err != nil {
		return err
	}
	for range rounds {
		for _, name := range places {
			r, err := source.Open(ctx, t.places[name], keys, say, quietLog())
			if err == nil {
				err = t.dd(ctx, name, r)
			}
			if err == nil {
				err = t.installer(ctx, name, r)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func measure(place, what string, bytes int64, do func() error) error {
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0o200); err != nil {
		return err
	}
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	fmt.Printf(trialResult+"\n", place, what, float64(bytes), float64(time.Since(began)))
	return nil
}

// installer does what an installation does, from the partition table to the
// check of what was written.
func (t *trial) installer(ctx context.Context, place string, r *source.Release) error {
	w := &writer{
		plan:    plan.Plan{Disk: plan.Disk{Path: t.target}, Partitions: t.parts},
		release: r, phases: newPhases(func(string, ...any) {}, nil),
	}
	all, err := w.copies()
	if err != nil {
		return err
	}
	var written, checked int64
	for _, c := range all {
		checked += c.File.Size
		written += c.File.Size - c.File.ChunkLen(0) // which comes with the check
	}
	return w.with(func() error {
		if err := w.partition(); err != nil {
			return err
		}
		if err := measure(place, "installer", written, func() error { return w.write(ctx) }); err != nil {
			return err
		}
		if place != places[0] {
			return nil // the check is the same wherever the bytes came from
		}
		return measure("disk", "verify", checked, func() error { return w.verify(ctx) })
	})
}

// dd copies the same files to the same places of the disk.
func (t *trial) dd(ctx context.Context, place string, r *source.Release) error {
	all, err := (&writer{plan: plan.Plan{Partitions: t.parts}, release: r}).copies()
	if err != nil {
		return err
	}
	var total int64
	for _, c := range all {
		total += c.File.Size
	}
	for _, how := range []struct{ name, flags string }{{"dd-direct", "direct,seek_bytes"}, {"dd-buffered", "seek_bytes"}} {
		err := measure(place, how.name, total, func() error {
			for _, c := range all {
				if err := t.ddFile(ctx, place, c, how.flags); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ddFile copies one file. What comes over HTTP comes to dd by a pipe, as from
// any program that fetches.
func (t *trial) ddFile(ctx context.Context, place string, c disk.Copy, flags string) error {
	cmd := exec.CommandContext(ctx, "/bin/dd", "of="+t.target, "bs=4M", "iflag=fullblock", "oflag="+flags,
		fmt.Sprint("seek=", c.At), "conv=fsync,notrunc", "status=none")
	if h, ok := t.places[place].(*source.HTTP); ok {
		res, err := h.Client.Get(h.URL + c.File.Name)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		cmd.Stdin = res.Body
	} else {
		cmd.Args = append(cmd.Args, "if="+filepath.Join(t.places[place].Name(), c.File.Name))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// prepare loads drivers, finds the medium, copies it to memory and brings the
// network up.
func prepare(ctx context.Context) (*trial, error) {
	if err := initrd.MountKernel(); err != nil {
		return nil, err
	}
	m := &machine{console: initrd.OpenConsoles(), log: quietLog()}
	var err error
	if m.modules, err = initrd.OpenModules(m.log); err != nil {
		return nil, err
	}
	m.modules.Coldplug("/sys")
	medium, err := m.findVolume(ctx, mediumLabel, time.Minute)
	if err != nil {
		return nil, err
	}
	cd := filepath.Join(medium.dir, releaseDir)
	const ram = "/tmp/release"
	if err := os.MkdirAll(ram, 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{manifest.Name, manifest.SignatureName, manifest.Root, manifest.ESP, manifest.BootCode, manifest.BIOSBoot} {
		if err := copyBytes(filepath.Join(cd, name), filepath.Join(ram, name)); err != nil {
			return nil, err
		}
	}
	t := &trial{target: "/dev/vda"}
	size, err := sizeOf(t.target)
	if err != nil {
		return nil, err
	}
	t.parts = plan.Layout(size)
	web, err := outside()
	t.places = map[string]source.Place{"cd": source.Dir(cd), "ram": source.Dir(ram), "http": web}
	return t, err
}

func sizeOf(device string) (int64, error) {
	f, err := os.Open(device)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Seek(0, io.SeekEnd)
}

// outside is a release behind connections that come from outside.
func outside() (source.Place, error) {
	if _, err := network.Static("10.0.2.15::10.0.2.2:255.255.255.0", trialMAC); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", fmt.Sprint(":", trialPort))
	if err != nil {
		return nil, err
	}
	h := source.NewHTTP("http://outside", say, quietLog())
	h.Client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		c, err := l.Accept()
		if err != nil {
			return nil, err
		}
		_, err = io.WriteString(c, greeting)
		return c, err
	}
	return h, nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }
