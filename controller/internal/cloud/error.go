package cloud

import (
	"errors"
	"fmt"
)

// Kind says what sort of thing went wrong. The API turns it into a status.
type Kind int

// The kinds of errors. An error without a kind is Internal: the client learns
// nothing but that.
const (
	KindInternal Kind = iota
	KindBadRequest
	KindUnauthorized
	KindForbidden
	KindNotFound
	KindMethodNotAllowed
	KindNotAcceptable // no such microversion
	KindConflict
	KindGone
	KindTooLarge
	KindUnsupportedMedia
	KindRange // of a download
	KindOverQuota
	KindUnavailable // a part that is needed does not answer now
	KindTooMany     // requests at a time
	KindTimeout     // the client takes too long
)

var kindNames = [...]string{"internal", "bad request", "unauthorized", "forbidden", "not found", "method not allowed",
	"not acceptable", "conflict", "gone", "too large", "unsupported media type", "range", "over quota", "unavailable", "too many", "timeout"}

// String is the kind in words.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// An Error is what went wrong, in two halves: Message is for the client, Cause
// is for the log only.
type Error struct {
	Kind    Kind
	Type    string // the exception class that some clients look for, like "IpAddressInUse"; may be empty
	Message string
	Cause   error
}

// Error is both halves, for the log.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap is the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// Because adds the private cause.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// Named sets the exception class (see Error.Type).
func (e *Error) Named(class string) *Error {
	e.Type = class
	return e
}

// Errorf makes an error of a kind with a message for the client.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// BadRequest says that the request makes no sense; the message names the
// field, its value and what is allowed.
func BadRequest(format string, args ...any) *Error { return Errorf(KindBadRequest, format, args...) }

// Unauthorized says that nobody knows who calls.
func Unauthorized(format string, args ...any) *Error {
	return Errorf(KindUnauthorized, format, args...)
}

// Forbidden says that this caller may not do that.
func Forbidden(format string, args ...any) *Error { return Errorf(KindForbidden, format, args...) }

// NotFound says that there is no such thing, or none that the caller may know of.
func NotFound(format string, args ...any) *Error { return Errorf(KindNotFound, format, args...) }

// Conflict says that the thing is in a state that does not allow it.
func Conflict(format string, args ...any) *Error { return Errorf(KindConflict, format, args...) }

// OverQuota says that a limit of the project is reached.
func OverQuota(format string, args ...any) *Error { return Errorf(KindOverQuota, format, args...) }

// Unavailable says that a needed part does not answer now.
func Unavailable(format string, args ...any) *Error { return Errorf(KindUnavailable, format, args...) }

// KindOf is the kind of the first Error in err's chain; KindInternal if there
// is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}

// IsNotFound tells whether err says that there is no such thing.
func IsNotFound(err error) bool { return err != nil && KindOf(err) == KindNotFound }

// IsConflict tells whether err says that the state does not allow it.
func IsConflict(err error) bool { return err != nil && KindOf(err) == KindConflict }
