package arch

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// link finds the targets of inline Markdown links and images.
var link = regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)`)

// fence finds code blocks, in which nothing is a link.
var fence = regexp.MustCompile("(?ms)^```.*?^```|`[^`\n]*`")

// Files lists all files below root that belong to the project, as paths
// relative to root: not the build output and nothing of git's.
func Files(root string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if d.IsDir() && (rel == ".git" || rel == "out") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			out = append(out, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files of %s: %w", root, err)
	}
	return out, nil
}

// CheckTop returns one line for each folder at the top that is not of the
// house. Hidden folders hold configuration, out holds what was built.
func CheckTop(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("list top folders: %w", err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "out" && !slices.Contains(TopFolders, e.Name()) {
			out = append(out, fmt.Sprintf("%s: unknown folder at the top; allowed: %v", e.Name(), TopFolders))
		}
	}
	return out, nil
}

// CheckLinks returns one line for each relative link of a Markdown file that
// leads nowhere.
func CheckLinks(root string, files []string) ([]string, error) {
	var out []string
	for _, file := range files {
		if filepath.Ext(file) != ".md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return nil, fmt.Errorf("check links: %w", err)
		}
		for _, m := range link.FindAllSubmatch(fence.ReplaceAll(text, nil), -1) {
			target, _, _ := strings.Cut(string(m[1]), "#")
			if target == "" || strings.Contains(target, ":") {
				continue // within the page, or a URL
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(file), target)); err != nil {
				out = append(out, fmt.Sprintf("%s: link to %s leads nowhere", file, m[1]))
			}
		}
	}
	return out, nil
}

// CheckText returns one line for each text file that carries forbidden text.
func CheckText(root string, files []string) ([]string, error) {
	patterns := make([]*regexp.Regexp, len(Forbidden))
	for i, f := range Forbidden {
		p, err := regexp.Compile("(?m)" + f.Pattern)
		if err != nil {
			return nil, fmt.Errorf("forbidden text %d: %w", i, err)
		}
		patterns[i] = p
	}
	var out []string
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return nil, fmt.Errorf("check text: %w", err)
		}
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			continue // not a text file
		}
		for i, p := range patterns {
			if at := p.FindIndex(text); at != nil {
				line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
				out = append(out, fmt.Sprintf("%s:%d: forbidden text %q: %s", file, line, text[at[0]:at[1]], Forbidden[i].Why))
			}
		}
	}
	return out, nil
}
