// Package reference writes the reference of a service's API for people, in
// Markdown, out of the service's own description: what is not in there is not
// served, and what is served is in there.
//
// It imports api and policy; a test of the controller keeps the written pages
// the same as what this makes.
package reference

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
)

// Page is the reference of one service; ops and rules are those that the
// server has of it.
func Page(s api.Service, ops []api.Operation, rules []policy.Rule) string {
	p := &page{service: s, rules: map[string]policy.Rule{}}
	for _, r := range rules {
		p.rules[r.Name] = r
	}
	p.head()
	for _, d := range s.Resources {
		p.resource(d.Info(), ops)
	}
	p.rest(ops)
	p.ruleTable(rules)
	return p.String()
}

type page struct {
	strings.Builder
	service api.Service
	rules   map[string]policy.Rule
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) head() {
	s := p.service
	p.line("# The API of the %s service\n", s.Name)
	p.line("Below `%s/%s`. This page is made of the service's description by `go test ./controller`; what is not here is not served. Who gets which answer, tried as everybody, is in [who-may-what](../testdata/who-may-what/%s.txt).\n", s.Path, s.Version, s.Name)
	if s.Max != "" {
		p.line("Microversions %s to %s, by the header `OpenStack-API-Version: %s VERSION`; without one %s holds, and one that is not served is 406.\n", s.Min, s.Max, s.Name, s.Min)
	}
	if len(s.Dialect.Scopes) > 0 {
		p.line("A token must have the scope %s.\n", strings.Join(s.Dialect.Scopes, " or "))
	}
	kind, body := s.Dialect.Fault(http.StatusConflict, cloud.Conflict("why"))
	p.line("A fault is `%s` of type %s. Every call may answer:\n", strings.Join(strings.Fields(string(body)), " "), kind)
	p.line("| status | when |")
	p.line("|---|---|")
	quota := s.Dialect.Statuses[cloud.KindOverQuota]
	if quota == 0 {
		quota = http.StatusRequestEntityTooLarge
	}
	for _, row := range []struct {
		code int
		when string
	}{
		{400, "the request makes no sense; the message names the field, its value and what is allowed"},
		{401, "no token, or one that is not valid"},
		{403, "the rule does not allow it"},
		{404, "there is no such thing, or none that the caller may know of"},
		{405, "the path has no such method"},
		{409, "the state does not allow it"},
		{quota, "over quota: nothing was made"},
		{413, "a body of more than 114,688 bytes, unless the call streams"},
		{415, "a body that is not JSON, unless the call streams"},
		{429, "too many requests of this address or token at a time"},
		{503, "something that is needed does not answer, or too many requests at a time"},
	} {
		p.line("| %d | %s |", row.code, row.when)
	}
	p.line("")
}

// resource describes one resource: its members, its lists, its calls.
func (p *page) resource(i api.Info, ops []api.Operation) {
	p.line("## %s\n", i.Noun)
	p.line("Belongs to %s; addressed by its `%s`.%s\n", map[api.Owner]string{api.Project: "a project", api.User: "a user", api.Cloud: "the cloud"}[i.Owner], i.Key, quotaText(i.Quota))
	p.line("| member | type | | |")
	p.line("|---|---|---|---|")
	p.fields("", i.Fields)
	p.line("")
	if slices.Contains(i.Ops, api.OpList) {
		p.line("Lists take `limit`, `marker`, `sort_key` and `sort_dir`. They can be sorted by %s and filtered by %s.\n", words(append(slices.Clone(i.Sorts), i.Key)), words(i.Filters))
	}
	p.calls(ops, func(o api.Operation) bool { return o.Resource == i.Name })
}

func quotaText(quota string) string {
	if quota == "" {
		return ""
	}
	return " Each counts against the quota `" + quota + "`."
}

func words(list []string) string {
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) == 0 {
		return "nothing"
	}
	return "`" + strings.Join(list, "`, `") + "`"
}

func (p *page) fields(prefix string, list []api.FieldInfo) {
	for _, f := range list {
		if f.Hidden && !f.Create && !f.Update {
			continue
		}
		name := "`" + prefix + f.Name + "`"
		if f.Inline {
			name = "any other"
		}
		if f.Also != "" {
			name += ", `" + prefix + f.Also + "`"
		}
		kind := f.Type
		if f.Null && f.Type != "array" && f.Type != "object" && f.Type != "any" {
			kind += " or null"
		}
		p.line("| %s | %s | %s | %s |", name, kind, set(f), rest(f))
		p.fields(prefix+f.Name+".", f.Fields)
	}
}

// set says when a member can be set.
func set(f api.FieldInfo) string {
	var list []string
	switch {
	case f.Required:
		list = append(list, "needed on creation")
	case f.Create:
		list = append(list, "set on creation")
	}
	if f.Update {
		list = append(list, "changed by an update")
	}
	if f.SetAdmin {
		list = append(list, "by administrators only")
	}
	return strings.Join(list, ", ")
}

// rest says what else holds for a member.
func rest(f api.FieldInfo) string {
	var list []string
	add := func(yes bool, format string, args ...any) {
		if yes {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(f.Form != "", "%s", map[string]string{"name": "1 to 255 characters", "uuid": "a UUID", "ip": "an IP address", "cidr": "a subnet", "mac": "a MAC address"}[f.Form])
	add(len(f.OneOf) > 0, "one of %s", strings.Join(f.OneOf, ", "))
	add(f.Min != "", "at least %s", f.Min)
	add(f.Max != "", "at most %s", f.Max)
	add(f.Default != "", "`%s` if absent", f.Default)
	add(f.Since != "", "since %s", f.Since)
	add(f.Until != "", "until %s", f.Until)
	add(f.Once, "shown once, when it is made")
	add(f.Hidden, "never shown")
	add(f.Admin, "shown to administrators only")
	add(f.Brief, "part of brief lists")
	return strings.Join(list, "; ")
}

// rest are the routes that belong to no resource.
func (p *page) rest(ops []api.Operation) {
	if !slices.ContainsFunc(ops, func(o api.Operation) bool { return o.Resource == "" }) {
		return
	}
	p.line("## Beside the resources\n")
	p.calls(ops, func(o api.Operation) bool { return o.Resource == "" })
}

func (p *page) calls(ops []api.Operation, which func(api.Operation) bool) {
	p.line("| call | answers | rule | versions |")
	p.line("|---|---|---|---|")
	var rows []string
	for _, o := range ops {
		if which(o) && o.Method != http.MethodHead {
			rows = append(rows, p.call(o))
		}
	}
	p.line("%s\n", strings.Join(rows, "\n"))
}

func (p *page) call(o api.Operation) string {
	answers := "200 or 204"
	if o.Code != 0 {
		answers = fmt.Sprint(o.Code)
	} else if o.Action != "" {
		answers = "202"
	}
	rule := "any valid token, or as the call decides"
	switch {
	case o.Public:
		rule = "no token needed"
	case o.Rule != "":
		rule = "`" + o.Rule + "`"
	}
	name := o.Method + " " + strings.TrimPrefix(o.Path, p.service.Path+"/"+p.service.Version)
	if o.Action != "" {
		name += ` {"` + o.Action + `": ...}`
	}
	if o.Stream {
		answers += "; streams"
	}
	versions := ""
	if o.Since != "" {
		versions = "since " + o.Since
	}
	if o.Until != "" {
		versions = strings.TrimSpace(versions + " until " + o.Until)
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", name, answers, rule, versions)
}

// ruleTable are the rules with their defaults.
func (p *page) ruleTable(rules []policy.Rule) {
	p.line("## Rules\n")
	p.line("The defaults; `%s.yaml` in the controller's directory of rules replaces them.\n", p.service.Name)
	p.line("| rule | who | what |")
	p.line("|---|---|---|")
	for _, r := range rules {
		p.line("| `%s` | `%s` | %s |", r.Name, r.Check, r.Doc)
	}
}
