package identity

import (
	"iter"
	"strings"
)

// An index is rows by id.
type index[T any] struct{ tree[held[T]] }

type held[T any] struct {
	id  string
	row *T
}

func indexOf[T any]() index[T] {
	return index[T]{treeOf(func(a, b held[T]) int { return strings.Compare(a.id, b.id) })}
}

// at is the row with the id; nil if there is none.
func (x *index[T]) at(id string) *T {
	h, _ := x.first(func(h held[T]) int { return strings.Compare(h.id, id) })
	return h.row
}

// rows are all, sorted by id.
func (x *index[T]) rows() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for h := range x.all() {
			if !yield(h.row) {
				return
			}
		}
	}
}

// names are rows by what they are in (a domain, a user, a project above) and
// their name in it.
type names[T any] struct {
	tree[called[T]]
	key func(*T) (in, name string)
}

type called[T any] struct {
	in, name string
	row      *T
}

func namesOf[T any](key func(*T) (in, name string)) names[T] {
	order := func(a, b called[T]) int { return comparePair(a.in, b.in, a.name, b.name) }
	return names[T]{treeOf(order), key}
}

// at is the row with the name; nil if there is none.
func (x *names[T]) at(in, name string) *T {
	c, _ := x.first(func(c called[T]) int { return comparePair(c.in, in, c.name, name) })
	return c.row
}

// of are the rows in something, sorted by name.
func (x *names[T]) of(in string) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for c := range x.within(func(c called[T]) int { return strings.Compare(c.in, in) }) {
			if !yield(c.row) {
				return
			}
		}
	}
}

// turn puts a row in the place of an old one. Either may be nil.
func (x *names[T]) turn(by *batch, old, row *T) {
	if old != nil {
		in, name := x.key(old)
		// Another row may have the name by now.
		if c, ok := x.first(func(c called[T]) int { return comparePair(c.in, in, c.name, name) }); ok && c.row == old {
			x.drop(by, c)
		}
	}
	if row != nil {
		in, name := x.key(row)
		x.put(by, called[T]{in, name, row})
	}
}

// comparePair compares a1 with a2, and if they are the same b1 with b2.
func comparePair(a1, a2, b1, b2 string) int {
	if c := strings.Compare(a1, a2); c != 0 {
		return c
	}
	return strings.Compare(b1, b2)
}
