package directory

import "github.com/go-ldap/ldap/v3"

// equals is the filter of entries whose attribute has the value, whatever
// characters that is made of.
func equals(attribute, value string) string {
	return "(" + attribute + "=" + ldap.EscapeFilter(value) + ")"
}

// users is the filter of those users that all conditions hold for.
func (c *UserConfig) users(conditions ...string) string {
	return all(c.Filter, c.Class, c.ID, conditions)
}

// groups is the filter of those groups that all conditions hold for.
func (c *GroupConfig) groups(conditions ...string) string {
	return all(c.Filter, c.Class, c.ID, conditions)
}

// all joins the configured filter, which may be empty, the object class, the
// attribute that is the id, and conditions.
func all(filter, class, id string, conditions []string) string {
	text := "(&" + filter + equals("objectClass", class) + "(" + id + "=*)"
	for _, c := range conditions {
		text += c
	}
	return text + ")"
}
