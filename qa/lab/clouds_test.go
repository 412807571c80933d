package lab

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-cloud/cairn/qa/lab/trial"
)

func TestCloudsFile(t *testing.T) {
	r := &rack{dir: t.TempDir(), config: &Config{API: 8443}}
	login := trial.Login{URL: "https://127.0.0.1:8443/identity/v3", User: "admin", Password: "secret", Project: "one", Domain: "Default"}
	if err := r.writeClouds(login, "two", "admin"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(r.dir, cloudsFile)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("a file with a password has mode %v", info.Mode())
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Clouds map[string]struct {
			Auth struct {
				Project string `yaml:"project_name"`
			} `yaml:"auth"`
			CA string `yaml:"cacert"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	projects := map[string]string{}
	for name, c := range got.Clouds {
		projects[name] = c.Auth.Project
		if c.CA != filepath.Join(r.dir, caFile) {
			t.Errorf("cloud %s trusts %q", name, c.CA)
		}
	}
	if d := cmp.Diff(map[string]string{"rack": "one", "rack-two": "two", "rack-admin": "admin"}, projects); d != "" {
		t.Error(d)
	}
}
