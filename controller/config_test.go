package controller

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/hardening"
)

func TestConfigSaysEverythingThatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.json")
	if err := os.WriteFile(path, []byte(`{"listen": ":443", "vlan_from": 300, "vlan_to": 200}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := LoadConfig(path)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"node_listen is empty; allowed: host:port", "vlan_from 300, vlan_to 200: allowed: 1 to 4094",
		"database.accounts.compute_ddl is missing", "broker.vhost is empty",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func TestBrokerAccountsAreWrittenWhenTheyChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "definitions.json")
	f := definitionsFile(path)
	for _, ids := range [][]string{{"b", "a"}, {"a", "b"}, {"a"}} {
		before, _ := os.Stat(path)
		if err := f.SetNodes(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(hardening.BrokerDefinitions(ids)), string(text)); diff != "" {
			t.Error(diff)
		}
		after, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) == 2 && before != nil && !os.SameFile(before, after) {
			t.Error("the same accounts were written again")
		}
	}
}
