// Package audit tells who did what: an event for every change, every log-in
// and every refusal, in the words of CADF (DMTF DSP0262), without anything of
// bodies, queries or tokens. Events go to a file of their own, a line of JSON
// each.
//
// It imports api and cloud; the root of the controller joins it to the API.
package audit

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// An Event is one thing that somebody did or tried.
type Event struct {
	TypeURI   string    `json:"typeURI"`
	ID        string    `json:"id"`
	EventType string    `json:"eventType"` // "activity"
	EventTime string    `json:"eventTime"` // RFC 3339, UTC
	Action    string    `json:"action"`    // create, update, delete, read, authenticate; update/os-stop
	Outcome   string    `json:"outcome"`   // success, failure
	Reason    Reason    `json:"reason"`
	Initiator Initiator `json:"initiator"`
	Target    Resource  `json:"target"`
	Observer  Resource  `json:"observer"`
	Request   Request   `json:"request"`
}

// Reason says how it went.
type Reason struct {
	Type   string `json:"reasonType"` // "HTTP"
	Code   string `json:"reasonCode"`
	Policy string `json:"policyId,omitempty"` // the rule that did not allow it
}

// Initiator is who did it.
type Initiator struct {
	TypeURI   string `json:"typeURI"`
	ID        string `json:"id"` // of the user; "unknown"
	Name      string `json:"name,omitempty"`
	Domain    string `json:"user_domain_id,omitempty"`
	ProjectID string `json:"project_id,omitempty"`
	DomainID  string `json:"domain_id,omitempty"`
	System    bool   `json:"system,omitempty"`
	Delegated bool   `json:"delegated,omitempty"` // by a trust or an application credential
	Claimed   string `json:"claimed,omitempty"`   // who somebody said to be whose log-in failed
	Host      Host   `json:"host"`
}

// Host is where it was done from.
type Host struct {
	Address string `json:"address"`
	Agent   string `json:"agent,omitempty"`
}

// Resource is what it was done to, or who saw it.
type Resource struct {
	TypeURI string `json:"typeURI"`
	ID      string `json:"id"`
}

// Request is how it was asked for.
type Request struct {
	ID       string  `json:"id"`
	GlobalID string  `json:"global_id,omitempty"`
	Method   string  `json:"method"`
	Path     string  `json:"path"`
	Seconds  float64 `json:"seconds"`
}

const (
	typeEvent = "http://schemas.dmtf.org/cloud/audit/1.0/event"
	typeUser  = "service/security/account/user"
	unknown   = "unknown"
)

// Of is the event of a request; false if there is nothing to tell: somebody
// looked at something and might.
func Of(d *api.Done) (Event, bool) {
	refused := d.Status == http.StatusUnauthorized || d.Status == http.StatusForbidden
	reads := d.Method == http.MethodGet || d.Method == http.MethodHead || d.Method == http.MethodOptions
	if reads && !refused {
		return Event{}, false
	}
	e := Event{
		TypeURI: typeEvent, ID: cloud.NewID(), EventType: "activity", EventTime: d.Began.UTC().Format(time.RFC3339Nano),
		Action: action(d), Outcome: "success", Reason: Reason{"HTTP", strconv.Itoa(d.Status), d.Refused},
		Initiator: initiator(d),
		Target:    Resource{"service/" + orUnknown(d.Service) + "/" + orUnknown(kind(d)), orUnknown(d.Target)},
		Observer:  Resource{"service/" + orUnknown(d.Service), "cairn-controller"},
		Request:   Request{d.ID, d.GlobalID, d.Method, d.Path, d.Took.Seconds()},
	}
	if d.Status >= http.StatusBadRequest || d.Status == 0 {
		e.Outcome = "failure"
	}
	return e, true
}

// action is what was done, in CADF's words.
func action(d *api.Done) string {
	switch {
	case d.Login:
		return "authenticate"
	case d.Action != "":
		return "update/" + d.Action
	}
	switch d.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return "read"
	case http.MethodPost:
		return "create"
	case http.MethodDelete:
		return "delete"
	default:
		return "update"
	}
}

// kind is what sort of thing it was done to: the resource, or the end of the
// route without its parameters.
func kind(d *api.Done) string {
	if d.Resource != "" {
		return d.Resource
	}
	var last string
	for part := range strings.SplitSeq(d.Route, "/") {
		if part != "" && part[0] != '{' {
			last = part
		}
	}
	return last
}

func initiator(d *api.Done) Initiator {
	i := Initiator{TypeURI: typeUser, ID: unknown, Host: Host{d.From, d.Agent}}
	c := d.Caller
	if c == nil {
		i.Claimed = d.Claimed
		return i
	}
	i.ID, i.Name, i.Domain, i.ProjectID, i.DomainID, i.System, i.Delegated = orUnknown(c.UserID), c.UserName, c.UserDomainID, c.ProjectID, c.DomainID, c.System, c.Delegated
	return i
}

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}
