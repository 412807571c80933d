// Package identity is Keystone's API v3: who there is, who may do what where,
// and the tokens that say so.
//
// Tokens are Fernet tokens (a symmetric, authenticated encryption) with a
// payload of our own: user, scope, methods, times and audit ids, but no
// roles. Everything that decides about a token is kept in memory as a
// [snapshot] of the tables, read again after every change of this controller
// and within a second of a change of another one. So validating a token asks
// no database, and a disabled user, a lost role or a revoked token counts at
// once.
//
// The package needs a schema of its own, a directory for its keys, and to be
// told what the catalog lists. It serves as the api.Authenticator of all
// services.
package identity
