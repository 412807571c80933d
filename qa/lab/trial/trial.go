package trial

import "context"

// A Part is something that has to come true. Try tells whether it has, and if
// not, how far it is; it may be called again at once. An error is final.
type Part struct {
	What string
	Try  func(context.Context) (detail string, ok bool, err error)
}

// A Trial is one use of a cloud, from images to verdicts.
type Trial struct {
	login Login
	guest string // directory of the guest images
	say   func(format string, args ...any)
}

// New makes a trial that begins with an empty cloud.
func New(l Login, guest string, say func(string, ...any)) *Trial {
	return &Trial{login: l, guest: guest, say: say}
}

// Parts are what has to come true, in order.
func (t *Trial) Parts() []Part { return nil }
