package api

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is written without encoding/json is what that writes.
func FuzzAppendJSON(f *testing.F) {
	for _, text := range []string{"", "plain", `quo"te`, `back\slash`, "<&>", "tab\tnew\n", "ü", "\u2028", "\x7f", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, value := range []any{text, map[string]string{"self": text}, map[string]string{text: "x"}, []any{text, nil, true, 7}} {
			want, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			got, err := appendJSON(nil, value)
			if err != nil || string(got) != string(want) {
				t.Errorf("%#v: %s (%v), want %s", value, got, err, want)
			}
		}
	})
}

// A list is written right, be its first entry longer than the others or
// shorter.
func TestListsOfAnyLength(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		for _, first := range []int{0, 5, 2000} {
			list := make([]any, n)
			for i := range list {
				list[i] = strings.Repeat("x", i%50)
			}
			if n > 0 {
				list[0] = strings.Repeat("y", first)
			}
			want, err := json.Marshal(list)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := appendJSON([]byte("before "), list); err != nil || string(got) != "before "+string(want) {
				t.Errorf("%d entries, the first of %d: %.80s (%v), want %.80s", n, first, got, err, want)
			}
		}
	}
}
