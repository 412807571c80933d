package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A Dialect is what the clients of one service are used to, beyond the
// resources themselves.
type Dialect struct {
	// Fault writes an error's body.
	Fault func(status int, e *cloud.Error) (contentType string, body []byte)
	// Statuses override what a kind of error becomes.
	Statuses map[cloud.Kind]int
	// RequestIDs are headers that carry the request's id besides
	// x-openstack-request-id.
	RequestIDs []string
	// LegacyVersion is an older header of the microversion.
	LegacyVersion string

	IgnoreUnknown bool // members that no field takes are ignored; else they are an error
	// ReadOnly is the kind of error for members that clients may not set;
	// KindInternal: as IgnoreUnknown has it.
	ReadOnly     cloud.Kind
	Forbid       bool   // what the caller may not see is 403; else it does not exist
	UpdateMethod string // PUT or PATCH
	TimeLayout   string
	HexIDs       bool // new ids have no hyphens
	Fields       bool // lists and shows take fields=
	Bulk         bool // {"networks": [...]} creates several
	Slash        bool // a slash at the end of a path means nothing; else there is no such path

	// Scopes are the kinds of scope that a token must have one of: "project",
	// "domain", "system"; none: any token will do.
	Scopes []string

	// AllProjects is the query parameter by which administrators list the rows
	// of all projects; empty: they always do.
	AllProjects string

	Paging   Paging
	MaxLimit int // of a page; also what is given when nothing is asked; 0: no limit

	// Rule names the rule of an operation.
	Rule func(policy, name, plural string, op Op) string
	// Links makes an entry's links; path is the collection's, version included.
	Links func(base, version, path, key string) any
	// NotFound is the message of a 404.
	NotFound func(noun, key string) string

	RootStatus int                                   // of the list of versions
	RootBody   func(docs []map[string]any) any       // the list of versions
	VersionDoc func(c *Call, doc map[string]any) any // at Path/Version; nil: {"version": doc}
}

// Paging is how a list says where it goes on.
type Paging int

// The ways to say it.
const (
	PageNone     Paging = iota
	PageNext            // "servers_links": [{"rel": "next", "href": ...}]
	PageNextPrev        // also "previous", with page_reverse=True
	PageImage           // "first" and "next": paths
	PageIdentity        // "links": {"self", "next", "previous"}
)

const (
	layoutSeconds = "2006-01-02T15:04:05Z"
	layoutMicros  = "2006-01-02T15:04:05.000000Z"
)

// IdentityDialect is Keystone's.
func IdentityDialect() Dialect {
	return Dialect{
		Fault: func(status int, e *cloud.Error) (string, []byte) {
			return jsonBody(map[string]any{"error": map[string]any{"code": status, "title": http.StatusText(status), "message": e.Message}})
		},
		IgnoreUnknown: true, Forbid: true, HexIDs: true, Slash: true, UpdateMethod: http.MethodPatch, TimeLayout: layoutMicros,
		Paging: PageIdentity, MaxLimit: 1000,
		Rule: func(policy, name, plural string, op Op) string {
			switch op {
			case OpList, OpDetail:
				return "identity:list_" + plural
			case OpShow:
				return "identity:get_" + name
			default:
				return "identity:" + string(op) + "_" + name
			}
		},
		Links: func(base, version, path, key string) any {
			return map[string]string{"self": base + "/" + version + path + "/" + key}
		},
		NotFound:   func(noun, key string) string { return fmt.Sprintf("Could not find %s: %s.", noun, key) },
		RootStatus: http.StatusMultipleChoices,
		RootBody:   func(docs []map[string]any) any { return map[string]any{"versions": map[string]any{"values": docs}} },
	}
}

// computeFaults are the names of Nova's and Cinder's faults.
var computeFaults = map[int]string{
	400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod", 409: "conflictingRequest",
	413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented", 503: "serviceUnavailable",
}

// ComputeDialect is Nova's.
func ComputeDialect() Dialect {
	return Dialect{
		Fault: func(status int, e *cloud.Error) (string, []byte) {
			name, ok := computeFaults[status]
			if !ok {
				name = "computeFault"
			}
			return jsonBody(map[string]any{name: map[string]any{"code": status, "message": e.Message}})
		},
		Statuses:      map[cloud.Kind]int{cloud.KindOverQuota: http.StatusForbidden},
		RequestIDs:    []string{"X-Compute-Request-Id"},
		LegacyVersion: "X-OpenStack-Nova-API-Version",
		UpdateMethod:  http.MethodPut, TimeLayout: layoutSeconds,
		Scopes: []string{cloud.ScopeProject}, AllProjects: "all_tenants", Paging: PageNext, MaxLimit: 1000,
		Rule: func(policy, name, plural string, op Op) string {
			if op == OpList {
				op = "index"
			}
			return policy + ":" + string(op)
		},
		Links: func(base, version, path, key string) any {
			return []map[string]string{
				{"rel": "self", "href": base + "/" + version + path + "/" + key},
				{"rel": "bookmark", "href": base + path + "/" + key},
			}
		},
		NotFound:   func(noun, key string) string { return fmt.Sprintf("%s %s could not be found.", noun, key) },
		RootStatus: http.StatusOK,
		RootBody:   func(docs []map[string]any) any { return map[string]any{"versions": docs} },
	}
}

// NetworkDialect is Neutron's.
func NetworkDialect() Dialect {
	verbs := map[Op]string{OpList: "get_", OpDetail: "get_", OpShow: "get_", OpCreate: "create_", OpUpdate: "update_", OpDelete: "delete_"}
	return Dialect{
		Fault: func(status int, e *cloud.Error) (string, []byte) {
			class := e.Type
			if class == "" {
				class = networkFault(status)
			}
			return jsonBody(map[string]any{"NeutronError": map[string]any{"type": class, "message": e.Message, "detail": ""}})
		},
		Statuses:     map[cloud.Kind]int{cloud.KindOverQuota: http.StatusConflict},
		UpdateMethod: http.MethodPut, TimeLayout: layoutSeconds, Fields: true, Bulk: true,
		Scopes: []string{cloud.ScopeProject}, Paging: PageNextPrev,
		Rule: func(policy, name, plural string, op Op) string {
			return verbs[op] + policy
		},
		Links:      func(base, version, path, key string) any { return nil },
		NotFound:   func(noun, key string) string { return fmt.Sprintf("%s %s could not be found.", title(noun), key) },
		RootStatus: http.StatusOK,
		RootBody:   func(docs []map[string]any) any { return map[string]any{"versions": docs} },
	}
}

// networkFault is the exception class of a status that has no better one.
func networkFault(status int) string {
	return "HTTP" + strings.ReplaceAll(http.StatusText(status), " ", "")
}

// ImageDialect is Glance's.
func ImageDialect() Dialect {
	return Dialect{
		Fault: func(status int, e *cloud.Error) (string, []byte) {
			return "text/html; charset=UTF-8", htmlFault(status, e.Message)
		},
		ReadOnly:     cloud.KindForbidden,
		UpdateMethod: http.MethodPatch, TimeLayout: layoutSeconds,
		Scopes: []string{cloud.ScopeProject}, Paging: PageImage, MaxLimit: 1000,
		Rule: func(policy, name, plural string, op Op) string {
			switch op {
			case OpCreate:
				return "add_" + name
			case OpList, OpDetail:
				return "get_" + plural
			case OpShow:
				return "get_" + name
			case OpUpdate:
				return "modify_" + name
			default:
				return string(op) + "_" + name
			}
		},
		Links:      func(base, version, path, key string) any { return nil },
		NotFound:   func(noun, key string) string { return fmt.Sprintf("No %s found with ID %s", noun, key) },
		RootStatus: http.StatusMultipleChoices,
		RootBody:   func(docs []map[string]any) any { return map[string]any{"versions": docs} },
	}
}

// ClusterDialect is that of this appliance's own API: JSON faults as
// identity's, PATCH, no surprises.
func ClusterDialect() Dialect {
	d := IdentityDialect()
	d.IgnoreUnknown, d.Forbid, d.HexIDs = false, false, false
	d.Paging, d.MaxLimit = PageNext, 1000
	d.Rule = func(policy, name, plural string, op Op) string { return "cluster:" + policy + ":" + string(op) }
	d.RootStatus = http.StatusOK
	d.RootBody = func(docs []map[string]any) any { return map[string]any{"versions": docs} }
	return d
}

// title is s with a first capital letter.
func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
