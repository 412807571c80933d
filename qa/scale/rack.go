package scale

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
)

// The network of the machines, in the namespace that the program is in.
const (
	deployerSide = "scale-d"
	machineSide  = "scale-m"
	rackFile     = `name: scale
management:
  network: 10.20.0.0/20
  controller: 10.20.0.11
  range_from: 10.20.1.0
  range_to: 10.20.15.200
fabric: {check: off}
fleet: {parallel: 1000} # no machine comes to the end of its installation
rules:
  - name: compute
    roles: [compute]
    host: compute%d
    disk: {choose: first}
`
)

// A Result is what a run came to.
type Result struct {
	Machines   int
	Failed     []error
	Leases     time.Duration // until the last machine had its first address
	Plans      time.Duration // until the last machine had its plan
	CPU        time.Duration // of the deployer
	PeakMiB    float64       // resident, of the deployer
	Duplicates []string      // names and addresses that two machines have
}

// Run starts the deployer of the binary in dir and boots that many machines
// at once. It has to be in a network namespace of its own.
func Run(ctx context.Context, binary, dir string, machines int) (Result, error) {
	if err := plug(); err != nil {
		return Result{}, err
	}
	d, err := start(ctx, binary, dir)
	if err != nil {
		return Result{}, err
	}
	w, err := openWire(machineSide)
	if err != nil {
		return Result{}, errors.Join(err, d.stop())
	}
	r := Result{Machines: machines}
	all := bootAll(ctx, w, machines, &r)
	r.measure(d.cmd.Process.Pid)
	err = errors.Join(w.conn.Close(), d.stop())
	r.duplicates(all)
	return r, err
}

// plug makes the wire between deployer and machines.
func plug() error {
	err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: deployerSide, TxQLen: 10000}, PeerName: machineSide})
	if err != nil {
		return fmt.Errorf("veth: %w", err)
	}
	for _, name := range []string{"lo", deployerSide, machineSide} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return fmt.Errorf("%s up: %w", name, err)
		}
	}
	return address(deployerSide, "10.20.0.11/20")
}

func address(name, prefix string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(l, a); err != nil {
		return fmt.Errorf("address %s on %s: %w", prefix, name, err)
	}
	return nil
}

func bootAll(ctx context.Context, w *wire, machines int, r *Result) []*machine {
	var all []*machine
	var mu sync.Mutex // guards r.Failed
	var wg sync.WaitGroup
	began := time.Now()
	for i := range machines {
		m := &machine{number: i, wire: w, own: func(a netip.Addr) error { return address("lo", a.String()+"/32") }}
		all = append(all, m)
		wg.Go(func() {
			if err := m.boot(ctx, began); err != nil {
				mu.Lock()
				defer mu.Unlock()
				r.Failed = append(r.Failed, fmt.Errorf("machine %d: %w", i, err))
			}
		})
	}
	wg.Wait()
	for _, m := range all {
		r.Leases, r.Plans = max(r.Leases, m.booted), max(r.Plans, m.planned)
	}
	return all
}

func (r *Result) duplicates(all []*machine) {
	seen := map[string]bool{}
	for _, m := range all {
		for _, word := range []string{m.name, m.address.String()} {
			if seen[word] {
				r.Duplicates = append(r.Duplicates, word)
			}
			seen[word] = true
		}
	}
}

// measure reads what the kernel says of the deployer.
func (r *Result) measure(pid int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err == nil {
		for s := bufio.NewScanner(bytes.NewReader(status)); s.Scan(); {
			if kib, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
				n, _ := strconv.ParseFloat(strings.Fields(kib)[0], 64)
				r.PeakMiB = n / 1024
			}
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])); err == nil && len(fields) > 12 {
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		r.CPU = time.Duration(user+system) * 10 * time.Millisecond
	}
}

// A deployer is `cairn deploy` as a process.
type deployer struct {
	cmd *exec.Cmd
	log *os.File
}

func start(ctx context.Context, binary, dir string) (*deployer, error) {
	if err := release(filepath.Join(dir, "release")); err != nil {
		return nil, err
	}
	rack := filepath.Join(dir, "rack.yaml")
	if err := os.WriteFile(rack, []byte(rackFile), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "deploy.log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "deploy", "--rack", rack, "--release", filepath.Join(dir, "release"),
		"--state", filepath.Join(dir, "state"), "--interface", deployerSide)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	d := &deployer{cmd, log}
	return d, d.ready(ctx)
}

// ready waits until the deployer says so.
func (d *deployer) ready(ctx context.Context) error {
	for {
		text, err := os.ReadFile(d.log.Name())
		if err != nil {
			return err
		}
		if strings.Contains(string(text), "deployer ready") {
			return nil
		}
		if s := strings.TrimSpace(string(text)); strings.Contains(s, "cairn: error") {
			return fmt.Errorf("the deployer does not start: %s", s)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the deployer does not start: %w\n%s", context.Cause(ctx), text)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *deployer) stop() error {
	err := d.cmd.Process.Signal(os.Interrupt)
	if werr := d.cmd.Wait(); err == nil {
		err = werr
	}
	return errors.Join(err, d.log.Close())
}

// release makes a release that is small and whole.
func release(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	type file struct {
		Name   string   `json:"name"`
		Size   int      `json:"size"`
		SHA256 string   `json:"sha256"`
		Chunks []string `json:"chunks"`
	}
	var files []file
	for name, size := range map[string]int{"vmlinuz": 512 << 10, "initramfs": 1 << 20, "root.img": 1 << 20, "esp.img": 4096} {
		data := bytes.Repeat([]byte(name), size/len(name)+1)[:size]
		sum := sha256.Sum256(data)
		files = append(files, file{name, size, hex.EncodeToString(sum[:]), []string{hex.EncodeToString(sum[:])}})
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(map[string]any{"format": 1, "version": "scale-1", "files": files})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), raw, 0o644)
}
