package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// A Package is what the checks want to know of one package, as `go list -json`
// prints it.
type Package struct {
	ImportPath string
	Dir        string
	Doc        string
	Standard   bool
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

// ours returns the path below our module, and whether the import is ours. What
// lies in out was built or copied there by somebody and is nobody's code.
func ours(importPath string) (string, bool) {
	if importPath == Module {
		return "", true
	}
	name, ok := strings.CutPrefix(importPath, Module+"/")
	return name, ok && name != "out" && !strings.HasPrefix(name, "out/")
}

// match tells whether a path below the module matches a pattern.
func match(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == base || strings.HasPrefix(name, base+"/")
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// family is the pattern of a package's own part of the tree.
func family(name string) string {
	parts := strings.SplitN(name, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/") + "/..."
}

// ruleFor finds the rule that holds for a package of ours.
func ruleFor(rules []Rule, name string) (Rule, bool) {
	for _, r := range rules {
		if match(r.Of, name) {
			return r, true
		}
	}
	return Rule{}, false
}

// CheckImports returns one line for each import that the rules do not allow.
// The list must hold all dependencies too, so that an import can be told from
// one of the standard library.
func CheckImports(rules []Rule, all []Package) []string {
	std := make(map[string]bool, len(all))
	for _, p := range all {
		std[p.ImportPath] = p.Standard
	}
	var out []string
	for _, p := range all {
		name, ok := ours(p.ImportPath)
		if !ok {
			continue
		}
		r, ok := ruleFor(rules, name)
		if !ok {
			out = append(out, fmt.Sprintf("%s: no rule of the import table is about it", name))
			continue
		}
		out = append(out, r.check(name, p, std)...)
	}
	return out
}

func (r Rule) check(name string, p Package, std map[string]bool) []string {
	var out []string
	for _, imp := range p.Imports {
		other, own := ours(imp)
		if own && !r.allows(name, other) || !own && r.StdOnly && !std[imp] {
			out = append(out, fmt.Sprintf("%s imports %s; rule for %s: %s", name, imp, r.Of, r.Why))
		}
	}
	for _, never := range r.Never {
		if slices.Contains(p.Deps, never) {
			out = append(out, fmt.Sprintf("%s reaches %s; rule for %s: %s", name, never, r.Of, r.Why))
		}
	}
	return out
}

func (r Rule) allows(name, other string) bool {
	return slices.ContainsFunc(r.May, func(pattern string) bool {
		if pattern == Family {
			pattern = family(name)
		}
		return match(pattern, other)
	})
}

// CheckDocs returns one line for each package of ours without a comment.
func CheckDocs(all []Package) []string {
	var out []string
	for _, p := range all {
		if name, ok := ours(p.ImportPath); ok && p.Doc == "" {
			out = append(out, fmt.Sprintf("%s: no package comment; say what it is, what it needs and who may import it", name))
		}
	}
	return out
}

// CheckFolders returns one line for each package in a place or under a name
// that the house does not allow.
func CheckFolders(all []Package) []string {
	var out []string
	for _, p := range all {
		name, ok := ours(p.ImportPath)
		if !ok {
			continue
		}
		parts := strings.Split(name, "/")
		if !slices.Contains(TopFolders, parts[0]) {
			out = append(out, fmt.Sprintf("%q: code at the top; allowed: %v", name, TopFolders))
		}
		if len(parts) > 1+MaxLevels {
			out = append(out, fmt.Sprintf("%s: %d levels below %s; allowed: %d", name, len(parts)-1, parts[0], MaxLevels))
		}
		for _, part := range parts {
			if slices.Contains(ForbiddenNames, part) {
				out = append(out, fmt.Sprintf("%s: a folder called %q says nothing; name it after what it does", name, part))
			}
		}
	}
	return out
}

// CheckModules returns one line for each direct import of a module that is
// not on the list.
func CheckModules(allowed map[string]string, all []Package) []string {
	module := make(map[string]string, len(all))
	for _, p := range all {
		if p.Module != nil {
			module[p.ImportPath] = p.Module.Path
		}
	}
	var out []string
	for _, p := range all {
		name, ok := ours(p.ImportPath)
		if !ok {
			continue
		}
		for _, imp := range p.Imports {
			m := module[imp]
			if m == "" || m == Module || allowed[m] != "" {
				continue
			}
			out = append(out, fmt.Sprintf("%s imports %s of module %s, which is not on the list in qa/arch/modules.go", name, imp, m))
		}
	}
	return out
}
