package identity

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// options are what Keystone calls resource options, by name.
type options map[string]any

// The options of users.
const (
	optIgnoreFirstUse   = "ignore_change_password_upon_first_use"
	optIgnoreExpiry     = "ignore_password_expiry"
	optIgnoreLockout    = "ignore_lockout_failure_attempts"
	optIgnoreInactivity = "ignore_user_inactivity"
	optLockPassword     = "lock_password"
	optMultiFactor      = "multi_factor_auth_enabled"
	optMultiFactorRules = "multi_factor_auth_rules"
)

// An optionType tells whether a value may be that of an option.
type optionType struct {
	allowed string
	fits    func(value any) bool
}

var (
	boolean = optionType{"true, false or null", func(value any) bool { _, ok := value.(bool); return ok }}
	ruleSet = optionType{fmt.Sprintf("a list of lists of methods, like [[\"password\", \"totp\"]], or null; the methods are %v", methodNames),
		func(value any) bool { _, ok := methodRules(value); return ok }}
)

// The options that there are.
var (
	resourceOptions = map[string]optionType{"immutable": boolean}
	userOptions     = map[string]optionType{
		optIgnoreFirstUse: boolean, optIgnoreExpiry: boolean, optIgnoreLockout: boolean, optIgnoreInactivity: boolean,
		optLockPassword: boolean, optMultiFactor: boolean, optMultiFactorRules: ruleSet,
	}
)

// methodRules reads lists of lists of methods.
func methodRules(value any) (rules [][]string, ok bool) {
	lists, ok := value.([]any)
	if !ok {
		return nil, false
	}
	for _, l := range lists {
		list, ok := l.([]any)
		if !ok {
			return nil, false
		}
		if len(list) == 0 {
			return nil, false
		}
		rule := []string{}
		for _, m := range list {
			name, ok := m.(string)
			if !ok || !slices.Contains(methodNames, name) {
				return nil, false
			}
			rule = append(rule, name)
		}
		rules = append(rules, rule)
	}
	return rules, true
}

// immutable tells whether what has the options must stay as it is.
func (o options) immutable() bool { return o.on("immutable") }

// on tells whether an option is true.
func (o options) on(name string) bool {
	b, _ := o[name].(bool)
	return b
}

// check holds options against the names that there are; null takes one away.
func (o options) check(known map[string]optionType) error {
	for name, value := range o {
		t, ok := known[name]
		switch {
		case !ok:
			return cloud.BadRequest("options.%s is unknown; allowed: %v", short(name), sortedKeys(known))
		case value == nil:
			delete(o, name)
		case !t.fits(value):
			return cloud.BadRequest("options.%s is %v; allowed: %s", name, value, t.allowed)
		}
	}
	return nil
}

// updateOptions lays the options of a body over the old ones. What is
// immutable changes only together with that option.
func updateOptions(c *api.Call, old options, changed *options, known map[string]optionType, noun, id string) error {
	if c.Has("options") {
		merged := maps.Clone(old)
		if merged == nil {
			merged = options{}
		}
		maps.Copy(merged, *changed)
		if err := merged.check(known); err != nil {
			return err
		}
		*changed = merged
	}
	if old.immutable() && changed.immutable() {
		return cloud.Forbidden("Unable to update immutable %s resource: `%s`. Set resource option \"immutable\" to false first.", noun, id)
	}
	return nil
}

// mayDelete refuses to delete what is immutable.
func (o options) mayDelete(noun, id string) error {
	if o.immutable() {
		return cloud.Forbidden("Unable to delete immutable %s resource: `%s`. Set resource option \"immutable\" to false first.", noun, id)
	}
	return nil
}

// extra is what a body has beyond the fields that there are; it is kept and
// shown as it came.
type extra map[string]any

// clean takes out what answers have by themselves.
func (e extra) clean() { delete(e, "links") }
