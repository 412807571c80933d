package lab

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
)

// bundle collects what somebody needs to find out what went wrong, without
// secrets: consoles, the supervisor's log, the state of machines and switch,
// captures, and the journals of machines that still take SSH.
func (r *rack) bundle(ctx context.Context) (file string, err error) {
	file = filepath.Join(r.dir, "support-"+time.Now().UTC().Format("20060102-150405")+".tar.zst")
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := zstd.NewWriter(f)
	if err != nil {
		return "", err
	}
	t := tar.NewWriter(z)
	b := bundler{t: t}
	b.add("times.txt", []byte(r.run.timetable()))
	if status, err := r.client.status(ctx); err == nil {
		raw, err := json.MarshalIndent(status, "", "  ")
		b.fail(err)
		b.add("status.json", raw)
	}
	for _, pattern := range []string{logFile, configFile, rackFile, "*/serial.log", "*/qemu.log", "captures/*.pcap"} {
		names, err := filepath.Glob(filepath.Join(r.dir, pattern))
		b.fail(err)
		for _, name := range names {
			b.addFile(r.dir, name)
		}
	}
	if journal, err := r.journal(ctx); err == nil {
		b.add("controller/journal.txt", journal)
	} else {
		b.add("controller/journal-error.txt", []byte(err.Error()))
	}
	return file, errors.Join(b.err, t.Close(), z.Close())
}

// journal reads the controller's journal, if it takes SSH by now.
func (r *rack) journal(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return shell{r.dir, r.config.SSH}.run(ctx, "journalctl --no-pager -o short-precise -n 20000")
}

// A bundler adds entries to an archive and keeps the errors.
type bundler struct {
	t   *tar.Writer
	err error
}

func (b *bundler) fail(err error) { b.err = errors.Join(b.err, err) }

func (b *bundler) add(name string, text []byte) {
	b.fail(b.t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), ModTime: time.Now()}))
	_, err := b.t.Write(text)
	b.fail(err)
}

func (b *bundler) addFile(dir, name string) {
	rel, err := filepath.Rel(dir, name)
	b.fail(err)
	f, err := os.Open(name)
	if err != nil {
		b.fail(err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.fail(err)
		return
	}
	b.fail(b.t.WriteHeader(&tar.Header{Name: rel, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}))
	// Logs grow while they are read; what was there at first is what counts.
	if _, err := io.CopyN(b.t, f, info.Size()); err != nil {
		b.fail(fmt.Errorf("bundle %s: %w", rel, err))
	}
}
