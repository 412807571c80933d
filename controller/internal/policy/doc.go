// Package policy decides who may do what, in the rule language of
// OpenStack's oslo.policy: every operation has a named rule, and a rule is a
// text such as
//
//	role:admin or (role:member and project_id:%(project_id)s)
//
// Checks are role:NAME, rule:NAME, KEY:%(TARGET)s with KEY one of user_id,
// project_id, domain_id, system_scope, is_admin; a quoted literal or a bare
// word on the right side; "@" (always) and "!" (never); joined by and, or,
// not and parentheses. An empty rule allows everybody.
//
// The defaults are in the services' descriptions. An operator replaces them by
// a file of the same language; see [ReadFile] and [Set.Override].
//
// It imports cloud.
package policy
