package directory

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/sys/unix"
)

// A Config is the options of Keystone's group ldap that mean something here.
type Config struct {
	URL      string // one or more, with commas between: the first that answers is asked
	User     string // DN that searches; empty: anonymous
	Password string
	Suffix   string // the trees are below it, unless they are named

	Scope    string // "one": right below the trees; "sub": anywhere below
	PageSize int    // entries at a time; 0: all at once

	Users  UserConfig
	Groups GroupConfig

	StartTLS bool   // must be true with ldap://
	CA       string // PEM, or the absolute path of a file of it; empty: the machine's
	CheckTLS string // must be "demand"
	Chase    bool   // must be false: referrals
}

// A UserConfig says which entries are users.
type UserConfig struct {
	Tree, Filter, Class         string
	ID, Name, Mail, Description string // attributes
	Enabled                     string // attribute; an entry without it is as EnabledDefault says
	EnabledInvert               bool   // the attribute says "disabled"
	EnabledMask                 int    // bits that mean disabled; 0: the attribute is TRUE or FALSE
	EnabledDefault              string
}

// A GroupConfig says which entries are groups.
type GroupConfig struct {
	Tree, Filter, Class   string
	ID, Name, Description string // attributes
	Member                string // attribute with the members: DNs, or ids of users if MembersAreIDs
	MembersAreIDs         bool
}

// defaults are Keystone's, but for StartTLS.
func defaults() *Config {
	return &Config{
		URL: "ldap://localhost", Suffix: "cn=example,cn=com", Scope: "one", StartTLS: true, CheckTLS: "demand",
		Users: UserConfig{
			Class: "inetOrgPerson", ID: "cn", Name: "sn", Mail: "mail", Description: "description", Enabled: "enabled", EnabledDefault: "True",
		},
		Groups: GroupConfig{Class: "groupOfNames", ID: "cn", Name: "ou", Description: "description", Member: "member"},
	}
}

// fields are where the options go, by name.
func (c *Config) fields() map[string]any {
	u, g := &c.Users, &c.Groups
	return map[string]any{
		"url": &c.URL, "user": &c.User, "password": &c.Password, "suffix": &c.Suffix, "query_scope": &c.Scope, "page_size": &c.PageSize,
		"use_tls": &c.StartTLS, "tls_cacertfile": &c.CA, "tls_req_cert": &c.CheckTLS, "chase_referrals": &c.Chase,

		"user_tree_dn": &u.Tree, "user_filter": &u.Filter, "user_objectclass": &u.Class, "user_id_attribute": &u.ID, "user_name_attribute": &u.Name,
		"user_mail_attribute": &u.Mail, "user_description_attribute": &u.Description, "user_enabled_attribute": &u.Enabled,
		"user_enabled_invert": &u.EnabledInvert, "user_enabled_mask": &u.EnabledMask, "user_enabled_default": &u.EnabledDefault,

		"group_tree_dn": &g.Tree, "group_filter": &g.Filter, "group_objectclass": &g.Class, "group_id_attribute": &g.ID,
		"group_name_attribute": &g.Name, "group_desc_attribute": &g.Description, "group_member_attribute": &g.Member, "group_members_are_ids": &g.MembersAreIDs,
	}
}

// Defaults are the options that there are with what holds when they are not
// given; password, which is never shown, is not among them.
func Defaults() map[string]any {
	all := map[string]any{}
	for name, field := range defaults().fields() {
		switch f := field.(type) {
		case *string:
			if all[name] = any(*f); *f == "" {
				all[name] = nil
			}
		case *int:
			all[name] = *f
		case *bool:
			all[name] = *f
		}
	}
	delete(all, "password")
	return all
}

// ErrOption is what all refusals of an option are.
var ErrOption = errors.New("option of a directory")

func refuse(name string, value any, allowed string) error {
	return fmt.Errorf("%w: %s is %v; allowed: %s", ErrOption, name, value, allowed)
}

// Parse reads options as they come out of JSON; null is the default. It
// refuses options that there are not and values that can never be right, but
// takes an url that cannot be used: see [New].
func Parse(options map[string]any) (*Config, error) {
	c := defaults()
	fields := c.fields()
	for _, name := range slices.Sorted(maps.Keys(options)) {
		value := options[name]
		if value == nil && fields[name] != nil {
			continue
		}
		if err := set(fields[name], name, value); err != nil {
			return nil, err
		}
	}
	if c.Users.Tree == "" {
		c.Users.Tree = "ou=Users," + c.Suffix
	}
	if c.Groups.Tree == "" {
		c.Groups.Tree = "ou=UserGroups," + c.Suffix
	}
	return c, c.check()
}

// set puts a value into a field; texts of numbers and booleans are taken too.
func set(field any, name string, value any) (err error) {
	text, isText := value.(string)
	switch f := field.(type) {
	case *string:
		if !isText {
			return refuse(name, value, "a text")
		}
		*f = text
	case *int:
		n, isNumber := value.(float64)
		if isText {
			n, err = strconv.ParseFloat(text, 64)
			isNumber = err == nil
		}
		if !isNumber || n < 0 || n > 1<<30 || n != float64(int(n)) {
			return refuse(name, value, "0 to 1073741824")
		}
		*f = int(n)
	case *bool:
		b, isBool := value.(bool)
		if isText {
			b, err = strconv.ParseBool(strings.ToLower(text))
			isBool = err == nil
		}
		if !isBool {
			return refuse(name, value, "true or false")
		}
		*f = b
	default:
		return fmt.Errorf("%w: there is no %s here; allowed: %s", ErrOption, name, strings.Join(slices.Sorted(maps.Keys(defaults().fields())), ", "))
	}
	return nil
}

// attribute is a name or an OID as RFC 4512 section 1.4 has it, without options.
var attribute = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]{0,63}|[0-9]+(\.[0-9]+){1,31})$`)

// check holds the values against what can be right.
func (c *Config) check() error {
	u, g := &c.Users, &c.Groups
	names := map[string]string{
		"user_objectclass": u.Class, "user_id_attribute": u.ID, "user_name_attribute": u.Name, "user_mail_attribute": u.Mail,
		"user_description_attribute": u.Description, "user_enabled_attribute": u.Enabled, "group_objectclass": g.Class,
		"group_id_attribute": g.ID, "group_name_attribute": g.Name, "group_desc_attribute": g.Description, "group_member_attribute": g.Member,
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !attribute.MatchString(names[name]) {
			return refuse(name, strconv.Quote(names[name]), "a name of letters, digits and dashes, or an OID")
		}
	}
	for name, text := range map[string]string{"user_filter": u.Filter, "group_filter": g.Filter} {
		if _, err := ldap.CompileFilter(text); text != "" && err != nil {
			return refuse(name, strconv.Quote(text), "a filter in parentheses (RFC 4515)")
		}
	}
	for name, text := range map[string]string{"user": c.User, "suffix": c.Suffix, "user_tree_dn": u.Tree, "group_tree_dn": g.Tree} {
		if _, err := ldap.ParseDN(text); err != nil {
			return refuse(name, strconv.Quote(text), "a distinguished name (RFC 4514)")
		}
	}
	return c.checkSafe()
}

// checkSafe refuses what would make the connection less safe, and what is not
// done here.
func (c *Config) checkSafe() error {
	switch {
	case c.Scope != "one" && c.Scope != "sub":
		return refuse("query_scope", c.Scope, "one, sub")
	case c.CheckTLS != "demand":
		return refuse("tls_req_cert", c.CheckTLS, "demand")
	case c.Chase:
		return refuse("chase_referrals", c.Chase, "false")
	case !c.StartTLS && strings.Contains(c.URL, "ldap://"):
		return refuse("use_tls", c.StartTLS, "true with an url of ldap://")
	case c.User != "" && c.Password == "":
		return fmt.Errorf("%w: user is given without password, which would be no proof; allowed: both or none", ErrOption)
	case !strings.HasPrefix(c.CA, "-----BEGIN"):
		return nil
	}
	_, err := c.roots()
	return err
}

// roots are the authorities whose certificates are good for the directory;
// nil are the machine's.
func (c *Config) roots() (*x509.CertPool, error) {
	text := []byte(c.CA)
	switch {
	case c.CA == "":
		return nil, nil
	case strings.HasPrefix(c.CA, "/"):
		var err error
		if text, err = readFile(c.CA); err != nil {
			return nil, refuse("tls_cacertfile", c.CA, "a file of at most 1 MiB that can be read")
		}
	case !strings.HasPrefix(c.CA, "-----BEGIN"):
		return nil, refuse("tls_cacertfile", c.CA, "an absolute path, or certificates as PEM")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%w: tls_cacertfile has no certificate that can be read; needed: one or more as PEM", ErrOption)
	}
	return pool, nil
}

// mostFile is how long a file of certificates may be, in bytes.
const mostFile = 1 << 20

// readFile reads a file, which must be a plain one: who configures a domain is
// not who runs the machine.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() > mostFile) {
		err = fmt.Errorf("%s is no plain file of at most %d bytes", path, mostFile)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, mostFile))
}
