package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build builds the shipped program once for a test.
func build(tb testing.TB) string {
	tb.Helper()
	for _, needed := range []string{"mariadbd", "rabbitmq-server", "go"} {
		if _, err := exec.LookPath(needed); err != nil {
			tb.Skipf("%s is not installed; make deps installs it", needed)
		}
	}
	path := filepath.Join(tb.TempDir(), "cairn")
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-o", path, "../../cmd/cairn")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build cairn: %v\n%s", err, out)
	}
	return path
}

// newSupervisor is a supervisor of a cloud in a fresh directory that the
// servers' accounts can pass through.
func newSupervisor(tb testing.TB, binary, dir string) *supervisor {
	tb.Helper()
	return &supervisor{
		layout: newLayout(dir), binary: binary, nodes: []string{"sim1", "sim2", "sim3"},
		log: slog.New(slog.NewTextHandler(tb.Output(), nil)),
	}
}

func openDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "cairn-cloud-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// get asks the compute API something as the administrator.
func get(ctx context.Context, c *client, path string, to any) error {
	body := fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"},
		"password": %q}}}, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}`, c.password)
	res, err := c.http.Post(c.base+"/identity/v3/auth/tokens", "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	res.Body.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Auth-Token", res.Header.Get("X-Subject-Token"))
	if res, err = c.http.Do(req); err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// upNodes counts the hosts that compute takes to be up.
func upNodes(ctx context.Context, s *supervisor) (up int, id string, err error) {
	c, err := s.client()
	if err != nil {
		return 0, "", err
	}
	var list struct {
		Hypervisors []struct{ State string }
	}
	if err := get(ctx, c, "/compute/v2.1/os-hypervisors/detail", &list); err != nil {
		return 0, "", err
	}
	for _, h := range list.Hypervisors {
		if h.State == "up" {
			up++
		}
	}
	var projects struct {
		Projects []struct{ ID, Name string }
	}
	if err := get(ctx, c, "/identity/v3/projects?name=admin", &projects); err != nil || len(projects.Projects) != 1 {
		return up, "", fmt.Errorf("projects: %v, %w", projects, err)
	}
	return up, projects.Projects[0].ID, nil
}

// A cloud comes up with its nodes, ends without leaving a process, and has its
// data again.
func TestUpDownUp(t *testing.T) {
	binary, dir := build(t), openDir(t)
	var first string
	for round := range 2 {
		s := newSupervisor(t, binary, dir)
		if err := s.start(t.Context()); err != nil {
			t.Fatalf("start %d: %v", round, errorsOf(err, s.stop()))
		}
		info, err := os.Stat(s.clouds())
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("clouds.yaml: %v, %v", info, err)
		}
		var up int
		var project string
		for deadline := time.Now().Add(2 * time.Minute); up < 3 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if up, project, err = upNodes(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if up != 3 {
			t.Errorf("%d of 3 nodes are up", up)
		}
		if round == 0 {
			first = project
		} else if project != first {
			t.Errorf("the project admin was %s and is %s", first, project)
		}
		pids := []int{s.controller.cmd.Process.Pid, s.simulated.cmd.Process.Pid}
		if err := s.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil {
				t.Errorf("process %d is still there", pid)
			}
		}
	}
}

func errorsOf(errs ...error) string { return fmt.Sprint(errs) }

// BenchmarkFirstToken is the time from nothing running to the first token,
// with state of an earlier run (issue: at most 20 s).
func BenchmarkFirstToken(b *testing.B) {
	binary, dir := build(b), openDir(b)
	for b.Loop() {
		s := newSupervisor(b, binary, dir)
		if err := s.start(b.Context()); err != nil {
			b.Fatal(errorsOf(err, s.stop()))
		}
		b.StopTimer()
		if err := s.stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkIdleMemory is the resident memory of the controller with three
// nodes and nothing to do, after a minute (issue: at most 150 MiB).
func BenchmarkIdleMemory(b *testing.B) {
	binary, dir := build(b), openDir(b)
	s := newSupervisor(b, binary, dir)
	if err := s.start(b.Context()); err != nil {
		b.Fatal(errorsOf(err, s.stop()))
	}
	time.Sleep(time.Minute)
	for b.Loop() {
		b.ReportMetric(residentMiB(b, s.controller.cmd.Process.Pid), "MiB")
	}
	if err := s.stop(); err != nil {
		b.Fatal(err)
	}
}

func residentMiB(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
