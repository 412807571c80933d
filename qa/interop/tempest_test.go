package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// python is the one that Debian's packages are for.
const python = "/usr/bin/python3"

// Parts of the suite: directories below tempest/api, and the file of testdata
// with what need not pass.
func parts() map[string][]string {
	return map[string][]string{
		"identity": {"identity/v3", "identity/admin/v3"},
		"image":    {"image/v2"},
	}
}

// TestTempest runs the suite against a cloud of its own.
func TestTempest(t *testing.T) {
	if os.Getenv("CAIRN_LONG") == "" {
		t.Skip("runs Tempest against a whole cloud, which takes minutes; CAIRN_LONG=1 runs it")
	}
	dir, err := exec.Command(python, "-c", "import os, tempest; print(os.path.dirname(tempest.__file__))").Output()
	if err != nil {
		t.Skip("tempest is not installed; on Debian: apt-get install tempest")
	}
	image, settings := mirror(t)
	c := start(t, settings, map[string]string{"http_image": image})
	for name, dirs := range parts() {
		t.Run(name, func(t *testing.T) { c.judge(t, name, modules(t, strings.TrimSpace(string(dir)), dirs)) })
	}
}

// judge runs modules or classes and holds what becomes of them against a file
// of testdata.
func (c *cloud) judge(t *testing.T, name string, tests []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	excuses, err := parseExcuses(string(text))
	if err != nil {
		t.Fatal(err)
	}
	out := c.run(t, tests)
	results, err := parse(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if len(results) == 0 {
		t.Fatalf("Tempest ran nothing:\n%s", out)
	}
	passed, faults := judge(results, excuses)
	t.Logf("%d of %d pass; %d faults that nothing excuses", passed, len(results), len(faults))
	if len(faults) > 0 {
		t.Errorf("%s\n\n%s", strings.Join(faults, "\n"), out)
	}
}

// modules are the Python modules of tests in directories below tempest/api.
func modules(t *testing.T, tempest string, dirs []string) []string {
	t.Helper()
	var all []string
	for _, d := range dirs {
		root := filepath.Join(tempest, "api", d)
		err := filepath.WalkDir(root, func(file string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasPrefix(e.Name(), "test_") || filepath.Ext(file) != ".py" {
				return err
			}
			name, err := filepath.Rel(filepath.Dir(tempest), strings.TrimSuffix(file, ".py"))
			all = append(all, strings.ReplaceAll(name, string(filepath.Separator), "."))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// A cloud is what `cairn-build cloud up` has started, and Tempest's
// configuration for it.
type cloud struct{ conf string }

// rules are those of passwords that the suite has time for, as tempest.conf
// says them too.
const rules = `{"passwords": {"lockout_failure_attempts": 4, "lockout_duration": 5, "unique_last_password_count": 2}}`

// start builds a cloud and starts it; it ends with the test. settings are laid
// over the controller's configuration, image are options of the suite's part of
// that name.
func start(t *testing.T, settings map[string]any, image map[string]string) *cloud {
	t.Helper()
	for _, needed := range []string{"mariadbd", "rabbitmq-server", "go"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skipf("%s is not installed; make deps installs it", needed)
		}
	}
	bin, dir := t.TempDir(), passable(t)
	do := func(ctx context.Context, name string, args ...string) error {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
		}
		return nil
	}
	if err := do(t.Context(), "go", "build", "-o", bin+"/", "../../cmd/..."); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := do(ctx, filepath.Join(bin, "cairn-build"), "cloud", "down", "--dir", dir); err != nil {
			t.Error(err)
		}
	})
	all := maps.Clone(settings)
	if err := json.Unmarshal([]byte(rules), &all); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	over := filepath.Join(bin, "settings.json")
	if err := os.WriteFile(over, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := do(t.Context(), filepath.Join(bin, "cairn-build"), "cloud", "up", "--dir", dir, "--settings", over); err != nil {
		t.Fatal(err)
	}
	return &cloud{conf: configure(t, filepath.Join(dir, "clouds.yaml"), image)}
}

// passable is a directory that the servers' accounts can pass through.
func passable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cairn-interop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// configure writes tempest.conf for the cloud of a clouds.yaml, and returns
// its directory. Of disk formats it names those for which the suite's random
// bytes are a good image: what says that it is a VHD has to be one here.
func configure(t *testing.T, clouds string, image map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(clouds)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Clouds map[string]struct {
			Auth struct {
				URL      string `yaml:"auth_url"`
				User     string `yaml:"username"`
				Password string `yaml:"password"`
				Project  string `yaml:"project_name"`
			} `yaml:"auth"`
			CA     string `yaml:"cacert"`
			Region string `yaml:"region_name"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	c, ok := file.Clouds["cloud"]
	if !ok {
		t.Fatalf("%s has no cloud named cloud", clouds)
	}
	options := ""
	for name, value := range image {
		options += name + " = " + value + "\n"
	}
	dir := t.TempDir()
	conf := fmt.Sprintf(`[DEFAULT]
log_dir = %[1]s
log_file = tempest.log
[oslo_concurrency]
lock_path = %[1]s
[auth]
use_dynamic_credentials = true
admin_username = %[2]s
admin_password = %[3]s
admin_project_name = %[4]s
admin_domain_name = Default
[identity]
uri_v3 = %[5]s
auth_version = v3
region = %[6]s
ca_certificates_file = %[7]s
user_lockout_failure_attempts = 4
user_lockout_duration = 5
user_unique_last_password_count = 2
[identity-feature-enabled]
api_v2 = false
api_v3 = true
application_credentials = true
access_rules = true
trust = true
security_compliance = true
[image]
disk_formats = raw,ami,ari,aki
container_formats = bare,ami,ari,aki,ovf
%[8]s
[image-feature-enabled]
import_image = true
os_glance_reserved = true
[service_available]
nova = true
neutron = true
glance = true
cinder = false
swift = false
horizon = false
`, dir, c.Auth.User, c.Auth.Password, c.Auth.Project, c.Auth.URL, c.Region, c.CA, options)
	if err := os.WriteFile(filepath.Join(dir, "tempest.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs modules and returns what Tempest printed.
func (c *cloud) run(t *testing.T, modules []string) []byte {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-m", "unittest", "-v"}, modules...)...)
	cmd.Env = append(os.Environ(), "TEMPEST_CONFIG_DIR="+c.conf)
	cmd.Dir = c.conf
	both := io.MultiWriter(&out, t.Output())
	cmd.Stdout, cmd.Stderr = both, both
	if err := cmd.Run(); err != nil && out.Len() == 0 { // what fails is in what it prints
		t.Fatal(err)
	}
	return out.Bytes()
}
