package plan

import (
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what Make says into testdata")

// TestMake plays every machine of testdata: inventory and rack.yaml in, the
// printed plan or the exact refusal out.
func TestMake(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { playCase(t, file) })
	}
}

func playCase(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	part := map[string][]byte{}
	for _, f := range a.Files {
		part[f.Name] = f.Data
	}
	var inv Inventory
	if err := json.Unmarshal(part["inventory.json"], &inv); err != nil {
		t.Fatal(err)
	}
	rack, err := ParseRack(part["rack.yaml"])
	if err != nil {
		t.Fatal(err)
	}
	p, err := Make(inv, rack, optionsOf(t, string(part["options"])))
	got := p.String()
	if err != nil {
		if r := (*Refusal)(nil); !errors.As(err, &r) || r.Remedy == "" {
			t.Errorf("%v is not a refusal with a remedy", err)
		}
		got = err.Error() + "\n"
	}
	if *update {
		a.Files[len(a.Files)-1].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(part["want"]), got); d != "" {
		t.Error(d)
	}
}

// optionsOf reads what a case says of a plan's options, a word and its values
// on each line.
func optionsOf(t *testing.T, text string) Options {
	t.Helper()
	o := Options{Version: "2026.11.1", Number: 2, Taken: map[string]int{}, Names: map[string]bool{}}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		words := append(strings.Fields(line), "", "", "")
		switch words[0] {
		case "local":
			o.Local = true
		case "disk":
			o.Disk = words[1]
		case "first": // number to count from
			o.Number = 1
		case "taken": // rule and how many machines have it
			n, err := strconv.Atoi(words[2])
			if err != nil {
				t.Fatalf("options: %q", line)
			}
			o.Taken[words[1]] = n
		case "others": // host name of another machine
			o.Names[words[1]] = true
		case "had": // rule and host name that the machine had
			o.Rule, o.Name = words[1], words[2]
		case "":
		default:
			t.Fatalf("options: %q", line)
		}
	}
	return o
}

// TestEveryRefusalIsPlayed finds the refusals in the source and wants each in
// a case.
func TestEveryRefusalIsPlayed(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var played strings.Builder
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		played.Write(a.Files[len(a.Files)-1].Data)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range sources {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			if name, ok := call.Fun.(*ast.Ident); !ok || name.Name != "refuse" {
				return true
			}
			format, ok := call.Args[1].(*ast.BasicLit)
			if !ok {
				return true // reason itself, which passes the text on
			}
			text, err := strconv.Unquote(format.Value)
			if err != nil {
				t.Fatal(err)
			}
			found++
			want := regexp.MustCompile(`%[a-z]`).ReplaceAllString(regexp.QuoteMeta(text), ".*")
			if !regexp.MustCompile("(?m)^" + want).MatchString(played.String()) {
				t.Errorf("%s: no case of testdata is refused with %q", file, text)
			}
			return true
		})
	}
	if found < 20 {
		t.Errorf("found %d refusals in the source", found)
	}
}

func TestLayoutFitsTheSmallestDisk(t *testing.T) {
	const size = MinDiskGiB << 30
	end := int64(mib)
	for _, p := range Layout(size) {
		if p.Start != end || p.Size <= 0 || p.Size%mib != 0 {
			t.Errorf("%s at %d with %d bytes; want it at %d, on whole MiB", p.Label, p.Start, p.Size, end)
		}
		end = p.Start + p.Size
	}
	if end != size-mib {
		t.Errorf("the table ends at %d, want %d", end, size-mib)
	}
}
