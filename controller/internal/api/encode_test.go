package api

import (
	"encoding/json"
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
