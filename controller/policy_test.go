package controller

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPolicyFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policy")
	if all, err := policyFiles(dir).read(); err != nil || len(all) != 0 {
		t.Errorf("no directory: %v, %v", all, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("compute.yaml", "os_compute_api:servers:create: 'role:builder'\n")
	all, err := policyFiles(dir).read()
	if err != nil || len(all["compute"]) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	write("compute.yml", "")
	write("network.yaml", "create_network: [member]\n")
	_, err = policyFiles(dir).read()
	for _, want := range []string{"compute.yml belongs to no service", `network.yaml:1: rule "create_network": want a check in quotes`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}
