package plan

import (
	"encoding/json"
	"testing"
)

func TestBits(t *testing.T) {
	var b Bits
	for _, i := range []int{0, 9, 17, 9} {
		b.Set(i)
	}
	text, err := json.Marshal(Have{Port: 8080, Bits: b})
	if want := `{"port":8080,"bits":"010202","sent":0,"taken":0}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v; want %s", text, err, want)
	}
	var h Have
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	h.Bits.Clear(9)
	h.Bits.Clear(99)
	for i, want := range map[int]bool{-1: false, 0: true, 1: false, 9: false, 17: true, 99: false} {
		if h.Bits.Has(i) != want {
			t.Errorf("chunk %d: %v", i, h.Bits.Has(i))
		}
	}
	if h.Bits.Count() != 2 || b.Count() != 3 {
		t.Errorf("%d chunks of %x, %d of %x", h.Bits.Count(), h.Bits, b.Count(), b)
	}
	if err := json.Unmarshal([]byte(`{"bits":"0g"}`), &h); err == nil || err.Error() != `chunks "0g"; allowed: pairs of hex digits` {
		t.Errorf("got %v", err)
	}
}
