package identity

import (
	"iter"
	"slices"
)

// leafSize is how many items a leaf holds before it is split.
const leafSize = 128

// A tree keeps items in order, in leaves. What a tree that was copied shares
// with its copy is not changed any more: a change makes a new leaf and a new
// list of leaves, unless the same batch of changes made these already. So a
// copy costs nothing, and a change of 200,000 items some microseconds.
type tree[T any] struct {
	order  func(a, b T) int
	leaves []*leaf[T] // none is empty
	by     *batch     // that may change leaves, the list, in place
	size   int
}

type leaf[T any] struct {
	by    *batch // that may change items in place
	items []T
}

// A batch is changes that are made to one copy.
type batch struct{ _ byte } // not empty: each has an address of its own

func treeOf[T any](order func(a, b T) int) tree[T] { return tree[T]{order: order} }

// seek finds the first item that is not before what is sought. at is negative
// for items before it, zero for the item or the range that is sought.
func (t *tree[T]) seek(at func(T) int) (l, i int) {
	low, high := 0, len(t.leaves)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if items := t.leaves[mid].items; at(items[len(items)-1]) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	l = low
	if l == len(t.leaves) {
		return l, 0
	}
	items := t.leaves[l].items
	low, high = 0, len(items)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if at(items[mid]) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return l, low
}

// first is the first item for which at is zero.
func (t *tree[T]) first(at func(T) int) (item T, ok bool) {
	l, i := t.seek(at)
	if l == len(t.leaves) || at(t.leaves[l].items[i]) != 0 {
		return item, false
	}
	return t.leaves[l].items[i], true
}

// from gives the items that are not before what is sought, in order.
func (t *tree[T]) from(at func(T) int) iter.Seq[T] {
	return func(yield func(T) bool) {
		l, i := t.seek(at)
		for ; l < len(t.leaves); l, i = l+1, 0 {
			for _, item := range t.leaves[l].items[i:] {
				if !yield(item) {
					return
				}
			}
		}
	}
}

// within gives the items of a range, in order: those for which at is zero.
func (t *tree[T]) within(at func(T) int) iter.Seq[T] {
	return func(yield func(T) bool) {
		for item := range t.from(at) {
			if at(item) != 0 || !yield(item) {
				return
			}
		}
	}
}

// all gives every item, in order.
func (t *tree[T]) all() iter.Seq[T] { return t.from(func(T) int { return 0 }) }

// put adds an item, in the place of the one that is equal in order.
func (t *tree[T]) put(by *batch, item T) {
	l, i := t.seek(func(x T) int { return t.order(x, item) })
	if l < len(t.leaves) && t.order(t.leaves[l].items[i], item) == 0 {
		t.own(by, l).items[i] = item
		return
	}
	t.size++
	if l == len(t.leaves) { // behind all: leaves that are filled in order are full
		if l == 0 || len(t.leaves[l-1].items) >= leafSize {
			t.ownList(by)
			t.leaves = append(t.leaves, &leaf[T]{by: by, items: []T{item}})
			return
		}
		l, i = l-1, len(t.leaves[l-1].items)
	}
	own := t.own(by, l)
	own.items = slices.Insert(own.items, i, item)
	if len(own.items) <= leafSize {
		return
	}
	half := len(own.items) / 2
	right := &leaf[T]{by: by, items: slices.Clone(own.items[half:])}
	clear(own.items[half:])
	own.items = own.items[:half]
	t.leaves = slices.Insert(t.leaves, l+1, right)
}

// drop takes away the item that is equal in order, if there is one.
func (t *tree[T]) drop(by *batch, item T) {
	l, i := t.seek(func(x T) int { return t.order(x, item) })
	if l == len(t.leaves) || t.order(t.leaves[l].items[i], item) != 0 {
		return
	}
	t.size--
	own := t.own(by, l)
	if own.items = slices.Delete(own.items, i, i+1); len(own.items) == 0 {
		t.leaves = slices.Delete(t.leaves, l, l+1)
	}
}

// own is a leaf that the batch may change.
func (t *tree[T]) own(by *batch, l int) *leaf[T] {
	t.ownList(by)
	if t.leaves[l].by != by {
		t.leaves[l] = &leaf[T]{by: by, items: slices.Clone(t.leaves[l].items)}
	}
	return t.leaves[l]
}

func (t *tree[T]) ownList(by *batch) {
	if t.by != by {
		t.leaves, t.by = slices.Clone(t.leaves), by
	}
}
