package identity

import (
	"maps"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// options are what Keystone calls resource options, by name.
type options map[string]any

// The options that there are.
var (
	resourceOptions = []string{"immutable"}
	userOptions     = []string{"ignore_change_password_upon_first_use", "ignore_password_expiry", "ignore_lockout_failure_attempts",
		"ignore_user_inactivity", "lock_password", "multi_factor_auth_enabled"}
)

// immutable tells whether what has the options must stay as it is.
func (o options) immutable() bool { return o.on("immutable") }

// on tells whether an option is true.
func (o options) on(name string) bool {
	b, _ := o[name].(bool)
	return b
}

// check holds options against the names that there are; null takes one away.
func (o options) check(known []string) error {
	for name, value := range o {
		_, isBool := value.(bool)
		if !slices.Contains(known, name) || !isBool && value != nil {
			return cloud.BadRequest("options.%s is %v; allowed: true, false or null for %v", name, value, known)
		}
		if value == nil {
			delete(o, name)
		}
	}
	return nil
}

// updateOptions lays the options of a body over the old ones. What is
// immutable changes only together with that option.
func updateOptions(c *api.Call, old options, changed *options, known []string, noun, id string) error {
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
