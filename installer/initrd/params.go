package initrd

import (
	"fmt"
	"os"
	"strings"
)

// Params are the key=value words of the kernel line, in their order. A word
// without a value has the empty one.
type Params struct {
	words []string
}

// ParseParams takes a kernel line apart. Double quotes hold words together,
// as the kernel does it.
func ParseParams(line string) Params {
	var p Params
	var word strings.Builder
	quoted := false
	flush := func() {
		if word.Len() > 0 {
			p.words = append(p.words, word.String())
		}
		word.Reset()
	}
	for _, r := range strings.TrimSpace(line) {
		switch {
		case r == '"':
			quoted = !quoted
		case (r == ' ' || r == '\t' || r == '\n') && !quoted:
			flush()
		default:
			word.WriteRune(r)
		}
	}
	flush()
	return p
}

// ReadParams reads /proc/cmdline.
func ReadParams() (Params, error) {
	b, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return Params{}, fmt.Errorf("kernel line: %w", err)
	}
	return ParseParams(string(b)), nil
}

// Get is the value of the last word with that key, or the empty string.
func (p Params) Get(key string) string {
	all := p.All(key)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// All are the values of every word with that key.
func (p Params) All(key string) []string {
	var out []string
	for _, w := range p.words {
		if k, v, _ := strings.Cut(w, "="); k == key {
			out = append(out, v)
		}
	}
	return out
}

// Words are all words, as they are on the line but for quotes.
func (p Params) Words() []string { return p.words }
