// Package directory finds users and groups in an LDAP directory and proves
// who they are, for a domain whose configuration says so. It only reads.
//
// The names of options are Keystone's (see [Config]). A connection is always
// encrypted, with TLS or StartTLS, and the directory's certificate is checked;
// nothing makes it otherwise. What a client sends reaches a filter escaped
// only. Referrals and aliases are not followed.
//
// The package knows LDAP and nothing of the cloud; identity alone imports it.
package directory
