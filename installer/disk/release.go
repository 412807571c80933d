package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"
)

// stopArray is STOP_ARRAY of linux/raid/md_u.h: _IO(9, 0x32).
const stopArray = 0x0932

// Release stops what the kernel has put together of a disk or its partitions
// (arrays of md, devices of the device mapper), so that the disk can be
// written. What is stopped loses nothing; what is mounted is not stopped, and
// is an error. sys is /sys.
func Release(sys, path string) error {
	name := filepath.Base(path)
	at := filepath.Join(sys, "class/block", name)
	if _, err := os.Stat(at); errors.Is(err, os.ErrNotExist) {
		return nil // a file, in tests
	}
	var errs []error
	partitions, err := filepath.Glob(filepath.Join(at, name+"*", "holders"))
	if err != nil {
		return fmt.Errorf("disk %s: %w", path, err)
	}
	for _, holders := range append(partitions, filepath.Join(at, "holders")) {
		errs = append(errs, stopAll(sys, holders, 0))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("disk %s: %w", path, err)
	}
	return nil
}

// deepest is how many devices the kernel may have stacked: more are a loop.
const deepest = 8

// stopAll stops the devices of a directory of holders, those on top first.
func stopAll(sys, holders string, depth int) error {
	entries, err := os.ReadDir(holders)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if depth > deepest {
		return fmt.Errorf("%s: more than %d devices above each other", holders, deepest)
	}
	var errs []error
	for _, e := range entries {
		at := filepath.Join(sys, "class/block", e.Name())
		if err := stopAll(sys, filepath.Join(at, "holders"), depth+1); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := stop(at, e.Name()); err != nil {
			errs = append(errs, fmt.Errorf("stop %s, which is in use: %w", e.Name(), err))
		}
	}
	return errors.Join(errs...)
}

func stop(at, name string) error {
	mapped, err := os.ReadFile(filepath.Join(at, "dm/name"))
	switch {
	case err == nil:
		return devmapper.Remove(strings.TrimSpace(string(mapped)))
	case strings.HasPrefix(name, "md"):
		return stopMD(filepath.Join("/dev", name))
	}
	return errors.New("it is neither of md nor of the device mapper")
}

func stopMD(device string) (err error) {
	f, err := os.OpenFile(device, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := unix.IoctlSetInt(int(f.Fd()), stopArray, 0); err != nil {
		return fmt.Errorf("STOP_ARRAY: %w", err)
	}
	return nil
}
