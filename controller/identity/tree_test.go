package identity

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// A tree has what was put and not dropped, in order, and no change reaches a
// copy of before.
func TestTree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	now := treeOf(cmp.Compare[int])
	want := map[int]bool{}
	by := new(batch)
	type copied struct {
		tree tree[int]
		has  []int
	}
	var copies []copied
	for step := range 20_000 {
		if step%1000 == 0 {
			copies = append(copies, copied{now, slices.Sorted(keysOf(want))})
			by = new(batch)
		}
		if n := r.IntN(3000); r.IntN(3) > 0 {
			now.put(by, n)
			want[n] = true
		} else {
			now.drop(by, n)
			delete(want, n)
		}
	}
	copies = append(copies, copied{now, slices.Sorted(keysOf(want))})
	for i, c := range copies {
		if got := slices.Collect(c.tree.all()); !slices.Equal(got, c.has) || c.tree.size != len(c.has) {
			t.Errorf("copy %d has %d items (size %d), want %d, or others", i, len(got), c.tree.size, len(c.has))
		}
	}
	from := slices.Collect(now.from(func(n int) int { return cmp.Compare(n, 1500) }))
	sorted := slices.Sorted(keysOf(want))
	at, _ := slices.BinarySearch(sorted, 1500)
	if !slices.Equal(from, sorted[at:]) {
		t.Errorf("%d items from 1500 on, want %d", len(from), len(sorted)-at)
	}
	tens := slices.Collect(now.within(func(n int) int { return cmp.Compare(n/10, 42) }))
	if want := slices.DeleteFunc(sorted, func(n int) bool { return n/10 != 42 }); !slices.Equal(tens, want) {
		t.Errorf("within 420 to 429: %v, want %v", tens, want)
	}
}

func keysOf(m map[int]bool) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func BenchmarkTreePut(b *testing.B) {
	t := treeOf(cmp.Compare[int])
	first := new(batch)
	for n := range 200_000 {
		t.put(first, 2*n)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		t.put(new(batch), n%400_000)
	}
}
