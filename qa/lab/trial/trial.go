package trial

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
)

// A Part is something that has to come true. Try tells whether it has, and if
// not, how far it is; it may be called again at once. An error is final.
type Part struct {
	What string
	Try  func(context.Context) (detail string, ok bool, err error)
}

// The servers of a trial, by what they are there for.
const (
	first    = iota // takes its time
	left            // these two belong to the same project and answer each other
	right           // on another host
	stranger        // belongs to the other project and tries to reach them
	serverCount
)

// The names of the projects that a trial leaves behind with their servers.
const (
	ProjectOne = "one" // three servers
	ProjectTwo = "two" // one server
)

// FirstActive is the part whose end is the end of a cloud's beginning.
const FirstActive = "the first server is ACTIVE"

// A Trial is one use of a cloud, from images to verdicts. What a part makes
// it remembers, so that trying it again goes on where it was.
type Trial struct {
	login Login
	guest string // directory of the guest images
	form  Form

	admin   *session
	images  map[string]string // ids by name
	flavor  string
	one     side
	two     side
	servers []*server
	rounds  map[string]int // lines of a probe when isolation began to be watched
}

// A side is one of two projects that know nothing of each other and use the
// same addresses.
type side struct {
	name     string
	project  string // id
	password string // of the user with the project's name
	admin    *session
	user     *session
	network  string
	subnet   string
	vlan     string
	open     bool // pings are let in
}

// New makes a trial of a cloud that is empty, or has what another trial left.
func New(l Login, guest string, form Form) *Trial {
	return &Trial{
		login: l, guest: guest, form: form, images: make(map[string]string), rounds: make(map[string]int),
		one: side{name: ProjectOne}, two: side{name: ProjectTwo},
	}
}

// Parts are what has to come true, in order.
func (t *Trial) Parts() []Part {
	name, others := t.form.names(), "containers"
	if t.form == AllQEMU {
		others = "the other QEMU guests"
	}
	return []Part{
		{"images are uploaded", attempt(t.uploadImages)},
		{"two projects have users and networks", attempt(t.makeSides)},
		{"servers are accepted", attempt(t.makeServers)},
		{FirstActive, t.active(1)},
		{"all servers are ACTIVE", t.active(serverCount)},
		{others + " have address and metadata", t.found(name[left], name[right], name[stranger])},
		{"servers of one project on two hosts answer each other's ping", t.reach},
		{"servers of two projects neither see nor reach each other", t.isolated},
		{"users see the servers of their own project only", attempt(t.own)},
		{"the QEMU guest has booted, has its address and its metadata", t.found(name[first])},
	}
}

// attempt makes a part's Try of something that is done once it returns no
// error. What the cloud refuses is final; what it cannot do now may come.
func attempt(do func(context.Context) error) func(context.Context) (string, bool, error) {
	return func(ctx context.Context) (string, bool, error) {
		err := do(ctx)
		switch {
		case err == nil:
			return "", true, nil
		case final(err):
			return "", false, err
		default:
			return fmt.Sprintf("(%v)", err), false, nil
		}
	}
}

// errVerdict is in errors that say that the cloud has done wrong.
var errVerdict = errors.New("the cloud is wrong")

// final tells whether trying again is in vain.
func final(err error) bool {
	if errors.Is(err, errVerdict) {
		return true
	}
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		return false // the network, or a process that restarts
	}
	switch code.Actual {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return code.Actual/100 == 4
	}
}
