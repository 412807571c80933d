package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the repository, seen from this package's folder.
const root = "../.."

// list runs `go list` once over our packages and all that they need.
func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-json=ImportPath,Dir,Doc,Standard,Imports,Deps,Module", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []Package
	for dec := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p Package
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

func report(t *testing.T, lines []string) {
	t.Helper()
	for _, l := range lines {
		t.Error(l)
	}
}

func TestPackages(t *testing.T) {
	all := list(t)
	if !slices.ContainsFunc(all, func(p Package) bool { return p.ImportPath == Module+"/qa/arch" }) {
		var ours []string
		for _, p := range all {
			if strings.HasPrefix(p.ImportPath, Module) || p.Dir == "" {
				ours = append(ours, p.ImportPath+" in "+p.Dir)
			}
		}
		t.Fatalf("go list shows %d packages and not this one; of ours:\n%s", len(all), strings.Join(ours, "\n"))
	}
	t.Run("imports", func(t *testing.T) { report(t, CheckImports(Rules, all)) })
	t.Run("comments", func(t *testing.T) { report(t, CheckDocs(all)) })
	t.Run("folders", func(t *testing.T) { report(t, CheckFolders(all)) })
	t.Run("modules", func(t *testing.T) { report(t, CheckModules(Modules, all)) })
}

func TestFiles(t *testing.T) {
	files, err := Files(root)
	if err != nil {
		t.Fatal(err)
	}
	top, err := CheckTop(root)
	if err != nil {
		t.Fatal(err)
	}
	links, err := CheckLinks(root, files)
	if err != nil {
		t.Fatal(err)
	}
	text, err := CheckText(root, files)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("top", func(t *testing.T) { report(t, top) })
	t.Run("links", func(t *testing.T) { report(t, links) })
	t.Run("text", func(t *testing.T) { report(t, text) })
}

// Every direct requirement has its reason on the list, and the list names
// nothing that we do not require.
func TestModuleListIsGoMod(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:require )?(\S+\.\S+/?\S*) v\S+( // indirect)?$`).FindAllSubmatch(text, -1) {
		required[string(m[1])] = true
		if len(m[2]) == 0 && Modules[string(m[1])] == "" {
			t.Errorf("go.mod requires %s; qa/arch/modules.go has no reason for it", m[1])
		}
	}
	for m := range Modules {
		if !required[m] {
			t.Errorf("qa/arch/modules.go lists %s; go.mod does not require it", m)
		}
	}
}

func TestEveryRuleHasAReason(t *testing.T) {
	for _, r := range Rules {
		if r.Why == "" {
			t.Errorf("rule for %s has no reason", r.Of)
		}
	}
}
