package installer

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

func TestRackCheckSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, raw, out, err string
		command             RackCommand
	}{
		{"fine", "ssh_keys: [ssh-ed25519 AAAA]\n", "r can be used: 2 rules, 0 warnings\n", "", RackCommand{}},
		{"warned", "name: a\n", "warning: rack.yaml: ssh_keys: is empty: nobody will be able to log in over SSH. Put in the line of your .pub file\n" +
			"r can be used: 2 rules, 1 warning\n", "", RackCommand{}},
		{"wrong", "name: A\napprove: x\n", "rack.yaml line 1: name is \"A\"; allowed: lower case letters, digits and hyphens, at most 63, no hyphen at either end\n" +
			"rack.yaml line 2: approve is \"x\"; allowed: auto, manual\n", "r cannot be used: 2 faults", RackCommand{}},
		{"wrong-printed", "name: A\n", "rack.yaml line 1: name is \"A\"; allowed: lower case letters, digits and hyphens, at most 63, no hyphen at either end\n",
			"r cannot be used: 1 fault", RackCommand{Print: true}},
		{"wrong-json", "approve: x\n", `{
  "ok": false,
  "faults": [
    {
      "line": 1,
      "field": "approve",
      "value": "\"x\"",
      "allowed": "auto, manual"
    }
  ],
  "warnings": []
}
`, "r cannot be used: 1 fault", RackCommand{JSON: true}},
		{"fine-json", "ssh_keys: [ssh-ed25519 AAAA]\n", "{\n  \"ok\": true,\n  \"faults\": [],\n  \"warnings\": []\n}\n", "", RackCommand{JSON: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			c.command.Rack = "r"
			err := c.command.check(&b, []byte(c.raw))
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("error %v; want %q", err, c.err)
			}
			if d := cmp.Diff(c.out, b.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRackCheckPrintsARack(t *testing.T) {
	var b bytes.Buffer
	if err := (&RackCommand{Print: true}).check(&b, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.ParseRack(b.Bytes()); err != nil || !strings.Contains(b.String(), "network: 10.20.0.0/24") {
		t.Errorf("%v:\n%s", err, b.String())
	}
}

// TestExplainCounts explains three machines in their order by a rule for two
// and one for the rest.
func TestExplainCounts(t *testing.T) {
	dir := t.TempDir()
	c := ExplainCommand{Local: true}
	for _, name := range []string{"a", "b", "c"} {
		file := filepath.Join(dir, name)
		inv := `{"machine": "` + name + `", "disks": [{"path": "/dev/vda", "size": 21474836480}],
			"nics": [{"mac": "52:54:00:00:00:01", "link": true}, {"mac": "52:54:00:00:00:02", "link": true}]}`
		if err := os.WriteFile(file, []byte(inv), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Machines = append(c.Machines, file)
	}
	rack, err := plan.ParseRack([]byte("rules:\n- {roles: [controller], count: 2}\n- roles: [compute]\n"))
	if err != nil {
		t.Fatal(err)
	}
	subjects, err := c.subjects(nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.explain(&b, rack, subjects, nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(b.String(), "\n") {
		if strings.Contains(line, "becomes") || strings.Contains(line, `"controller" [`) {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`+ 1 "controller" [controller], 0 of 2 machines: holds: the first rule that the machine meets and that has room`,
		`becomes      controller1, [controller] (rule "controller")`,
		`+ 1 "controller" [controller], 1 of 2 machines: holds: the first rule that the machine meets and that has room`,
		`becomes      controller2, [controller] (rule "controller")`,
		`- 1 "controller" [controller], 2 of 2 machines: matches, but it is full`,
		`becomes      compute1, [compute] (rule "compute")`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := c.subject(filepath.Join(dir, "d"), nil); err == nil || !strings.Contains(err.Error(), "is neither a file nor known to the deployer") {
		t.Errorf("a machine that is no file: %v", err)
	}
}
