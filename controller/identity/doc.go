// Package identity is Keystone's API v3: who there is, who may do what where,
// and the tokens that say so.
//
// Tokens are Fernet tokens (a symmetric, authenticated encryption) with a
// payload of our own: user, scope, methods, times and audit ids, but no
// roles. Everything that decides about a token is kept in memory as a
// [snapshot] of the tables, so that validating one takes no lock and asks no
// database. A transaction that changes the tables writes down what it changes
// (see [Service.touch]); after its commit this controller reads that again,
// and the others within a second. So a disabled user, a lost role or a revoked
// token counts at once, and a change costs what it changes, however much there
// is. Who has missed too much, or has just started, reads everything.
//
// Domains are projects that are in no other one; projects nest below them.
// Roles are given to users and groups on projects, domains and the system, are
// inherited by the projects below, and imply each other; all of it is rows.
// What a user gives away is narrower than the user: an application credential
// (one project, some roles, perhaps some requests only) or a trust (to another
// user). Tokens of either cannot be exchanged for others, nor read what else
// the user keeps here. Secrets that identity only compares are hashed, others
// sealed, with a key in the directory that every controller of the database
// must have (see secrets).
//
// Users of a domain may come from an LDAP directory (package directory), and
// an OpenID Connect provider may be believed when it says who somebody is
// (package federation). Both become rows, so that the rest knows no difference.
//
// The package needs a schema of its own, a directory for its keys, and to be
// told what this cloud serves itself: that is in the catalog beside the rows
// that are added by the API. It serves as the api.Authenticator of all
// services.
package identity
