// Package federation takes the word of an OpenID Connect provider for who
// somebody is, and maps what the provider says to users, groups and projects
// of this cloud.
//
// An [Issuer] proves an access token: a JWT by the issuer's published keys, or
// an opaque one by asking the issuer (introspection, RFC 7662). Only https to
// the configured issuer is spoken, not through proxies, not along redirects,
// and not to addresses of this machine unless that is configured. A [Mapping]
// is Keystone's mapping engine: rules whose remote half is held against the
// claims and whose local half says what follows.
//
// The package knows nothing of the cloud; identity alone imports it.
package federation
