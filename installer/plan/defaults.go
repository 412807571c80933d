package plan

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"

	"github.com/cairn-cloud/cairn/node/spec"
)

// fill puts the defaults where r says nothing: those that the table of fields
// has, and those that follow from something else.
func (r *Rack) fill(t table) {
	if len(r.Rules) == 0 {
		r.Rules = defaultRules()
	}
	fillFields(t, reflect.ValueOf(r).Elem(), "")
	r.Management.fill()
	r.External.NIC = plainMAC(r.External.NIC)
	for i := range r.Rules {
		r.Rules[i].fill()
	}
	for i := range r.Machines {
		r.Machines[i].MAC = plainMAC(r.Machines[i].MAC)
	}
}

// fillFields sets what has no value and a default in the table.
func fillFields(t table, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			fillFields(t, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
		return
	case reflect.Struct:
		if _, leaf := v.Addr().Interface().(encoding.TextUnmarshaler); leaf {
			break
		}
		for i := range v.NumField() {
			name := join(path, v.Type().Field(i).Tag.Get("json"))
			if _, known := t.at(name); known {
				fillFields(t, v.Field(i), name)
			}
		}
		return
	}
	f, _ := t.at(path)
	if text, ok := f.literal(); ok && v.IsZero() {
		setText(v, text)
	}
}

// setText sets a value to a default. What a default of the table cannot be
// stays as it is; a test reads all of them.
func setText(v reflect.Value, text string) {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		_ = u.UnmarshalText([]byte(text))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		if n, err := strconv.Atoi(text); err == nil {
			v.SetInt(int64(n))
		}
	}
}

// defaultRules make the machine with the medium the controller and every
// other one a compute node.
func defaultRules() []RoleRule {
	local, remote := true, false
	return []RoleRule{
		{Name: "controller", Match: Match{Local: &local}, Roles: []spec.Role{spec.RoleController}},
		{Name: "compute", Match: Match{Local: &remote}, Roles: []spec.Role{spec.RoleCompute}},
	}
}

func (m *Management) fill() {
	m.Network = m.Network.Masked()
	m.NIC = plainMAC(m.NIC)
	orNth(&m.Controller, m.Network, 11)
	orNth(&m.RangeFrom, m.Network, 100)
	orNth(&m.RangeTo, m.Network, 199)
	for i := range m.Relayed {
		l := &m.Relayed[i]
		if !l.Network.IsValid() {
			continue
		}
		l.Network = l.Network.Masked()
		orNth(&l.Router, l.Network, 1)
		orNth(&l.RangeFrom, l.Network, 100)
		orNth(&l.RangeTo, l.Network, 199)
	}
}

// orNth gives an address that is not set the value of the address n above the
// network's own. It may lie outside the network; the checks find that.
func orNth(a *netip.Addr, p netip.Prefix, n int) {
	if a.IsValid() || !p.IsValid() {
		return
	}
	*a = p.Addr()
	for range n {
		*a = a.Next()
	}
}

func (r *RoleRule) fill() {
	if r.Host == "" && len(r.Roles) > 0 {
		r.Host = string(r.Roles[0]) + "%d"
	}
	if r.Name == "" && len(r.Roles) > 0 {
		r.Name = string(r.Roles[0])
	}
	for i, m := range r.Match.MAC {
		r.Match.MAC[i] = plainMAC(m)
	}
	for i, m := range r.NICs.Members {
		r.NICs.Members[i] = plainMAC(m)
	}
}
