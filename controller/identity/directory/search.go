package directory

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// A User is an entry that the configuration says is one.
type User struct {
	ID          string // the value of the attribute that is the id
	DN          string
	Name        string
	Mail        string
	Description string
	Enabled     bool
}

// A Group is an entry that the configuration says is one.
type Group struct {
	ID          string
	DN          string
	Name        string
	Description string
	Members     []string // DNs, or ids of users
}

// Users are all users.
func (c *Conn) Users() ([]User, error) { return c.users(c.c.Users.Tree, c.scope(), c.c.Users.users()) }

// UsersNamed are the users with a name: more than one is a mistake in the
// directory.
func (c *Conn) UsersNamed(name string) ([]User, error) {
	return c.users(c.c.Users.Tree, c.scope(), c.c.Users.users(equals(c.c.Users.Name, name)))
}

// UsersWithID are the users with an id, as UsersNamed.
func (c *Conn) UsersWithID(id string) ([]User, error) {
	return c.users(c.c.Users.Tree, c.scope(), c.c.Users.users(equals(c.c.Users.ID, id)))
}

// Groups are all groups.
func (c *Conn) Groups() ([]Group, error) { return c.groups(c.c.Groups.groups()) }

// GroupsNamed are the groups with a name.
func (c *Conn) GroupsNamed(name string) ([]Group, error) {
	return c.groups(c.c.Groups.groups(equals(c.c.Groups.Name, name)))
}

// GroupsWithID are the groups with an id.
func (c *Conn) GroupsWithID(id string) ([]Group, error) {
	return c.groups(c.c.Groups.groups(equals(c.c.Groups.ID, id)))
}

// GroupsOf are the groups that have the user as a member.
func (c *Conn) GroupsOf(u *User) ([]Group, error) {
	member := u.DN
	if c.c.Groups.MembersAreIDs {
		member = u.ID
	}
	return c.groups(c.c.Groups.groups(equals(c.c.Groups.Member, member)))
}

// MembersOf are the users among the members of a group: one question each.
func (c *Conn) MembersOf(g *Group) ([]User, error) {
	var list []User
	for _, m := range g.Members {
		found, err := c.member(m)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

func (c *Conn) member(m string) ([]User, error) {
	if c.c.Groups.MembersAreIDs {
		return c.UsersWithID(m)
	}
	if !c.inTree(m) {
		return nil, nil
	}
	found, err := c.users(m, ldap.ScopeBaseObject, c.c.Users.users())
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, nil
	}
	return found, err
}

// inTree tells whether users may be at a DN.
func (c *Conn) inTree(dn string) bool {
	at, err := ldap.ParseDN(dn)
	if err != nil {
		return false
	}
	tree, err := ldap.ParseDN(c.c.Users.Tree)
	return err == nil && tree.AncestorOfFold(at) && (c.c.Scope == "sub" || len(at.RDNs) == len(tree.RDNs)+1)
}

// Prove tells whether the password is the user's. The connection cannot
// search after it.
func (c *Conn) Prove(u *User, password string) (bool, error) {
	if password == "" { // which a directory takes as asking for no proof (RFC 4513, 5.1.2)
		return false, nil
	}
	err := c.ldap.Bind(u.DN, password)
	switch {
	case err == nil:
		return true, nil
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultNoSuchObject,
		ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultConstraintViolation, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultInvalidDNSyntax):
		return false, nil
	default:
		return false, fmt.Errorf("%w: %w", ErrAway, err)
	}
}

// Nobody is a user that there is not: proving takes as long as with one that
// there is.
func (c *Conn) Nobody() *User { return &User{DN: c.c.Users.ID + "=nobody," + c.c.Users.Tree} }

func (c *Conn) scope() int {
	if c.c.Scope == "sub" {
		return ldap.ScopeWholeSubtree
	}
	return ldap.ScopeSingleLevel
}

func (c *Conn) search(base string, scope int, filter string, attributes []string) ([]*ldap.Entry, error) {
	request := &ldap.SearchRequest{
		BaseDN: base, Scope: scope, DerefAliases: ldap.NeverDerefAliases, Filter: filter, Attributes: slices.Compact(slices.Sorted(slices.Values(attributes))),
	}
	var result *ldap.SearchResult
	var err error
	if c.c.PageSize > 0 && scope != ldap.ScopeBaseObject {
		result, err = c.ldap.SearchWithPaging(request, uint32(c.c.PageSize)) // at most 2^30: see set
	} else {
		result, err = c.ldap.Search(request)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: search %s below %q: %w", ErrAway, filter, base, err)
	}
	return result.Entries, nil
}

func (c *Conn) users(base string, scope int, filter string) ([]User, error) {
	a := &c.c.Users
	entries, err := c.search(base, scope, filter, []string{a.ID, a.Name, a.Mail, a.Description, a.Enabled})
	var list []User
	for _, e := range entries {
		u := User{
			DN: e.DN, ID: e.GetEqualFoldAttributeValue(a.ID), Name: e.GetEqualFoldAttributeValue(a.Name),
			Mail: e.GetEqualFoldAttributeValue(a.Mail), Description: e.GetEqualFoldAttributeValue(a.Description),
			Enabled: a.enabled(e.GetEqualFoldAttributeValue(a.Enabled)),
		}
		if usable(u.ID, u.Name) {
			list = append(list, u)
		}
	}
	return list, err
}

func (c *Conn) groups(filter string) ([]Group, error) {
	a := &c.c.Groups
	entries, err := c.search(a.Tree, c.scope(), filter, []string{a.ID, a.Name, a.Description, a.Member})
	var list []Group
	for _, e := range entries {
		g := Group{
			DN: e.DN, ID: e.GetEqualFoldAttributeValue(a.ID), Name: e.GetEqualFoldAttributeValue(a.Name),
			Description: e.GetEqualFoldAttributeValue(a.Description), Members: e.GetEqualFoldAttributeValues(a.Member),
		}
		if usable(g.ID, g.Name) {
			list = append(list, g)
		}
	}
	return list, err
}

// usable tells whether an entry can be known by its id and name.
func usable(texts ...string) bool {
	for _, t := range texts {
		if t == "" || len(t) > 255 || !utf8.ValidString(t) {
			return false
		}
	}
	return true
}

// enabled reads the attribute that says whether a user may log in, as
// Keystone does.
func (c *UserConfig) enabled(value string) bool {
	if value == "" {
		value = c.EnabledDefault
	}
	if c.EnabledMask != 0 {
		bits, err := strconv.Atoi(value)
		return err == nil && bits&c.EnabledMask != c.EnabledMask
	}
	return strings.EqualFold(value, "true") != c.EnabledInvert
}

// IsAway tells whether an error is the directory's, now, and not ours.
func IsAway(err error) bool { return errors.Is(err, ErrAway) }
