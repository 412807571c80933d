package raid

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of md_u.h.
const (
	setArrayInfo = 0x40480923
	addNewDisk   = 0x40140921
	runArray     = 0x400c0930
	stopArray    = 0x0932
)

// arrayInfo is mdu_array_info_t. Without places it says in which version the
// devices describe the array themselves.
type arrayInfo struct {
	Major, Minor int32
	_            [16]int32
}

// diskInfo is mdu_disk_info_t.
type diskInfo struct{ Number, Major, Minor, Place, State int32 }

// stateSync is the bit of a device that has all data up to some change.
const stateSync = 1 << 2

// Assemble starts the array with that number (0: /dev/md0) from the current
// halves, and has the stale ones brought up to date while it is used. It
// returns the array's device. The modules md-mod and raid1 must be loaded.
func Assemble(number int, h Halves) (string, error) {
	name := "md" + strconv.Itoa(number)
	device := filepath.Join("/dev", name)
	if err := os.WriteFile("/sys/module/md_mod/parameters/new_array", []byte(name), 0o200); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make the array %s (module md-mod): %w", name, err)
	}
	f, err := opened(device)
	if err != nil {
		return "", err
	}
	if err := start(f, h); err != nil {
		// What was begun is of no use to anybody.
		return "", errors.Join(err, control(f, "STOP_ARRAY", stopArray, nil), f.Close())
	}
	for _, path := range h.Stale {
		if err := join(f, path, h.numbers[path]); err != nil {
			return "", errors.Join(err, f.Close())
		}
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("array %s: %w", name, err)
	}
	return device, nil
}

// opened opens the node of an array as soon as it is there.
func opened(device string) (*os.File, error) {
	const patience = 10 * time.Second
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		f, err := os.OpenFile(device, os.O_RDWR, 0)
		if err == nil || time.Now().After(end) {
			return f, err
		}
	}
}

func start(f *os.File, h Halves) error {
	info := arrayInfo{Major: 1, Minor: 2}
	if err := control(f, "SET_ARRAY_INFO", setArrayInfo, unsafe.Pointer(&info)); err != nil {
		return err
	}
	for _, path := range h.Current {
		if err := add(f, path, diskInfo{}); err != nil {
			return err
		}
	}
	none := [3]int32{}
	return control(f, "RUN_ARRAY", runArray, unsafe.Pointer(&none))
}

// join adds a device to an array that runs: by what was written since it was
// away, as the bitmap says, or else by all of it.
func join(f *os.File, path string, place int) error {
	if place >= 0 {
		if err := add(f, path, diskInfo{Place: int32(place), State: stateSync}); err == nil {
			return nil
		}
	}
	return add(f, path, diskInfo{Place: -1})
}

func add(f *os.File, path string, d diskInfo) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fmt.Errorf("array: %s: %w", path, err)
	}
	d.Major, d.Minor = int32(unix.Major(st.Rdev)), int32(unix.Minor(st.Rdev))
	if err := control(f, "ADD_NEW_DISK", addNewDisk, unsafe.Pointer(&d)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func control(f *os.File, name string, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		return fmt.Errorf("array %s: %s: %w", f.Name(), name, errno)
	}
	return nil
}

// Stop stops an array that nothing uses. Its devices are as they are.
func Stop(device string) (err error) {
	f, err := os.Open(device)
	if err != nil {
		return fmt.Errorf("array: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return control(f, "STOP_ARRAY", stopArray, nil)
}
