package installer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// sticks reads *.pub in the top directory of every volume that somebody may
// have plugged in. The disks that belong to the machine are left alone.
func (a *asking) sticks(context.Context) ([]wizard.KeyFile, error) {
	a.m.modules.Coldplug("/sys")
	entries, err := os.ReadDir("/sys/class/block")
	if err != nil {
		return nil, fmt.Errorf("volumes: %w", err)
	}
	var out []wizard.KeyFile
	var errs []error
	for _, e := range entries {
		device := filepath.Join("/dev", e.Name())
		if a.medium != nil && device == a.medium.device || !pluggable("/sys", wholeDisk(device)) {
			continue
		}
		found, err := a.stick(device)
		out, errs = append(out, found...), append(errs, err)
	}
	if len(out) > 0 {
		return out, nil // a volume that cannot be read does not matter then
	}
	return nil, errors.Join(errs...)
}

// pluggable tells whether a disk is a stick, a card or a disc.
func pluggable(sys, disk string) bool {
	name := filepath.Base(disk)
	at := filepath.Join(sys, "block", name)
	if strings.HasPrefix(name, "sr") {
		return true
	}
	if b, err := os.ReadFile(filepath.Join(at, "removable")); err == nil && strings.TrimSpace(string(b)) == "1" {
		return true
	}
	place, err := filepath.EvalSymlinks(at)
	return err == nil && strings.Contains(place, "/usb")
}

// stick reads the keys of one volume; none where it is no file system.
func (a *asking) stick(device string) (keys []wizard.KeyFile, err error) {
	kind, label := labelOf(device)
	if kernelFS(kind) == "" {
		return nil, nil
	}
	v, err := a.m.mountVolume(device, kernelFS(kind), "stick")
	if err != nil {
		a.m.log.Info("volume passed over", "device", device, "error", err)
		return nil, nil
	}
	defer func() { err = errors.Join(err, v.close()) }()
	files, err := filepath.Glob(filepath.Join(v.dir, "*.pub"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := readSmall(f)
		if err != nil {
			return nil, err
		}
		keys = append(keys, wizard.KeyFile{Where: fmt.Sprintf("%s %q on %s: %s", kind, label, device, filepath.Base(f)), Text: text})
	}
	return keys, nil
}

// readSmall reads a file that may not be large: a stick may hold anything.
func readSmall(file string) ([]byte, error) {
	st, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxKeys {
		return nil, fmt.Errorf("%s has %d bytes; allowed: a file of at most %d", filepath.Base(file), st.Size(), maxKeys)
	}
	return os.ReadFile(file)
}
