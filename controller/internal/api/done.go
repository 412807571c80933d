package api

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A Done is a request that was answered: what the access log, the audit and
// the metrics are made of. It holds nothing of bodies, queries and tokens.
type Done struct {
	ID       string // of the request
	GlobalID string // that the client gave it; may be empty
	Began    time.Time
	Took     time.Duration
	From     string // the client's address, without port
	Agent    string // what the client says of itself

	// Service, Method and Route say which operation it was (see Operation);
	// Route is empty where there is none. Path is what the client wrote.
	Service, Method, Route, Path string
	Resource                     string // empty: a route that belongs to none
	Action                       string // of POST {id}/action
	Target                       string // the id of what it was done to; empty: not known
	Login                        bool   // it proves who somebody is

	Status  int
	Bytes   int64
	Caller  *cloud.Caller // nil: nobody knows
	Claimed string        // who somebody says to be who logs in
	Refused string        // the rule that did not allow it
}

// Attrs are the words of the access log.
func (d *Done) attrs() []slog.Attr {
	a := []slog.Attr{
		slog.String("request", d.ID), slog.String("method", d.Method), slog.String("path", d.Path),
		slog.Int("status", d.Status), slog.Int64("bytes", d.Bytes), slog.Duration("took", d.Took), slog.String("from", d.From),
	}
	for _, x := range []struct{ name, value string }{
		{"service", d.Service}, {"route", d.Route}, {"action", d.Action}, {"refused_by", d.Refused}, {"global_request", d.GlobalID},
	} {
		if x.value != "" {
			a = append(a, slog.String(x.name, x.value))
		}
	}
	if d.Caller != nil {
		a = append(a, slog.String("user", d.Caller.UserID), slog.String("project", d.Caller.ProjectID))
	}
	return a
}

// begin notes what is known of a request when it comes.
func begin(r *http.Request, id string) *Done {
	d := &Done{ID: id, Began: time.Now(), From: address(r.RemoteAddr), Agent: cut(r.UserAgent(), 128), Method: method(r), Path: cut(r.URL.Path, 512)}
	if global := r.Header.Get(headerRequestID); isRequestID(global) {
		d.GlobalID = global
	}
	return d
}

// method is the request's, if it is one that anything has: what clients write
// in its place is no word for logs and metrics.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "OTHER"
	}
}

// address is host:port without the port.
func address(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

func cut(s string, most int) string {
	if len(s) > most {
		return s[:most]
	}
	return s
}
