package identity

import (
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// tables are what identity keeps.
type tables struct {
	domains     *store.Table[Domain]
	projects    *store.Table[Project]
	users       *store.Table[User]
	passwords   *store.Table[oldPassword]
	failures    *store.Table[failures]
	groups      *store.Table[Group]
	members     *store.Table[member]
	roles       *store.Table[Role]
	assignments *store.Table[assignment]
	implied     *store.Table[implication]
	revocations *store.Table[revocation]

	appCredentials *store.Table[appCredential]
	accessRules    *store.Table[accessRule]
	trusts         *store.Table[trust]
	credentials    *store.Table[credential]
	totp           *store.Table[totpKey]
	consumers      *store.Table[consumer]
	oauthRequests  *store.Table[oauthRequest]
	oauthAccesses  *store.Table[oauthAccess]
	nonces         *store.Table[nonce]
	policies       *store.Table[policyDocument]
	configs        *store.Table[configRow]

	providers *store.Table[identityProvider]
	mappings  *store.Table[federationMapping]
	protocols *store.Table[protocol]

	regions        *store.Table[region]
	services       *store.Table[service]
	endpoints      *store.Table[endpoint]
	endpointGroups *store.Table[endpointGroup]
	catalogParts   *store.Table[catalogPart]

	registeredLimits *store.Table[registeredLimit]
	limits           *store.Table[limit]
}

func newTables(db *store.DB) tables {
	return tables{
		domains:     store.NewTable[Domain](db, "domains"),
		projects:    store.NewTable[Project](db, "projects"),
		users:       store.NewTable[User](db, "users"),
		passwords:   store.NewTable[oldPassword](db, "password_history"),
		failures:    store.NewTable[failures](db, "login_failures"),
		groups:      store.NewTable[Group](db, "user_groups"),
		members:     store.NewTable[member](db, "group_members"),
		roles:       store.NewTable[Role](db, "roles"),
		assignments: store.NewTable[assignment](db, "assignments"),
		implied:     store.NewTable[implication](db, "implied_roles"),
		revocations: store.NewTable[revocation](db, "revocations"),

		appCredentials: store.NewTable[appCredential](db, "application_credentials"),
		accessRules:    store.NewTable[accessRule](db, "access_rules"),
		trusts:         store.NewTable[trust](db, "trusts"),
		credentials:    store.NewTable[credential](db, "credentials"),
		totp:           store.NewTable[totpKey](db, "credentials"),
		consumers:      store.NewTable[consumer](db, "consumers"),
		oauthRequests:  store.NewTable[oauthRequest](db, "oauth_requests"),
		oauthAccesses:  store.NewTable[oauthAccess](db, "oauth_accesses"),
		nonces:         store.NewTable[nonce](db, "oauth_nonces"),
		policies:       store.NewTable[policyDocument](db, "policies"),
		configs:        store.NewTable[configRow](db, "domain_configs"),

		providers: store.NewTable[identityProvider](db, "identity_providers"),
		mappings:  store.NewTable[federationMapping](db, "federation_mappings"),
		protocols: store.NewTable[protocol](db, "federation_protocols"),

		regions:        store.NewTable[region](db, "regions"),
		services:       store.NewTable[service](db, "services"),
		endpoints:      store.NewTable[endpoint](db, "endpoints"),
		endpointGroups: store.NewTable[endpointGroup](db, "endpoint_groups"),
		catalogParts:   store.NewTable[catalogPart](db, "catalog_parts"),

		registeredLimits: store.NewTable[registeredLimit](db, "registered_limits"),
		limits:           store.NewTable[limit](db, "limits"),
	}
}

// A member is one user in one group.
type member struct {
	GroupID string `db:"group_id,key"`
	UserID  string `db:"user_id"`
}

// An assignment is one role of one actor on one target.
type assignment struct {
	ActorKind  string `db:"actor_kind"` // user, group
	ActorID    string `db:"actor_id,key"`
	TargetKind string `db:"target_kind"` // project, domain, system
	TargetID   string `db:"target_id"`   // of the system: "all"
	RoleID     string `db:"role_id"`
	Inherited  bool   `db:"inherited"` // counts on the projects below the target, not on it
}

// A revocation is a token that is not valid although it has not expired.
type revocation struct {
	AuditID   string    `db:"audit_id,key"`
	ExpiresAt time.Time `db:"expires_at"`
}
