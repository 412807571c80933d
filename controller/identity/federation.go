package identity

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/cairn-cloud/cairn/controller/identity/federation"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// An identityProvider is believed when it says who somebody is. Its users are
// in a domain, which is made for it unless it is named.
type identityProvider struct {
	ID          string   `json:"id"                db:"id,key"            api:"filter"`
	DomainID    *string  `json:"domain_id"         db:"domain_id"         api:"create"`
	Description *string  `json:"description"       db:"description"       api:"create,update,max=65535"`
	Enabled     bool     `json:"enabled"           db:"enabled"           api:"create,update,filter"`
	RemoteIDs   []string `json:"remote_ids"        db:"remote_ids,json"   api:"create,update"` // the issuer, or nothing
	TTL         *int     `json:"authorization_ttl"`                                            // what a token says of groups ends with it

	OIDC   *oidcSettings `json:"oidc" api:"create,update"`
	Sealed string        `json:"-"    db:"oidc_sealed"`
}

// oidcSettings say how the tokens of an issuer are proved. Keystone leaves
// that to a web server in front of it.
type oidcSettings struct {
	Audiences    []string `json:"audiences"`
	KeysURL      string   `json:"jwks_uri"      api:"max=1024"`
	CA           string   `json:"ca"            api:"max=65535"`
	Local        bool     `json:"local"`
	ClientID     string   `json:"client_id"     api:"max=255"`
	ClientSecret string   `json:"client_secret,omitempty" api:"max=1024"`
}

// A federationMapping is rules that make users of claims.
type federationMapping struct {
	ID      string `json:"id"             db:"id,key"`
	Rules   []any  `json:"rules"          db:"rules,json"     api:"create,update,required"`
	Version string `json:"schema_version" db:"schema_version" api:"create,update,default=1.0,oneof=1.0"`
}

// A protocol joins a provider and a mapping.
type protocol struct {
	Key        string  `json:"-"          db:"pk,key"`
	ID         string  `json:"id"         db:"id"`
	ProviderID string  `json:"-"          db:"idp_id"`
	MappingID  string  `json:"mapping_id" db:"mapping_id" api:"create,update,required,name"`
	RemoteID   *string `json:"remote_id_attribute"` // the claim iss, always
}

func protocolKey(provider, id string) string { return provider + "/" + id }

// federationID is what providers, mappings and protocols may be called: it is
// in paths.
var federationID = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)

// providers describes /OS-FEDERATION/identity_providers. They are made with
// PUT, as mappings and protocols are.
func (s *Service) providers() api.Resource[identityProvider] {
	return api.Resource[identityProvider]{
		Name: "identity_provider", Path: federationPath + "/identity_providers", Owner: api.Cloud, Links: true, Without: []api.Op{api.OpCreate},
		Read: policy.AdminOrSystemReader, Write: policy.Admin, Rows: s.tables.providers,
		Fill: func(_ context.Context, _ *api.Call, rows []*identityProvider) error {
			for _, p := range rows {
				settings, err := s.oidc(p)
				if err != nil {
					return err
				}
				if p.OIDC = settings; p.OIDC != nil {
					p.OIDC.ClientSecret = ""
				}
			}
			return nil
		},
		Updating: func(ctx context.Context, tx *store.Tx, c *api.Call, _, changed *identityProvider) error {
			if !c.Has("oidc") {
				settings, err := s.oidc(changed)
				if err != nil {
					return err
				}
				changed.OIDC = settings
			}
			if err := s.sealProvider(changed); err != nil {
				return err
			}
			return s.touch(ctx, tx)
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, _ *identityProvider) error {
			return s.touch(ctx, tx)
		},
	}
}

// federationMappings describes /OS-FEDERATION/mappings.
func (s *Service) federationMappings() api.Resource[federationMapping] {
	return api.Resource[federationMapping]{
		Name: "mapping", Path: federationPath + "/mappings", Owner: api.Cloud, Links: true, Without: []api.Op{api.OpCreate},
		Read: policy.AdminOrSystemReader, Write: policy.Admin, Rows: s.tables.mappings,
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, _, changed *federationMapping) error {
			if _, err := changed.parse(); err != nil {
				return err
			}
			return s.touch(ctx, tx)
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, _ *federationMapping) error {
			return s.touch(ctx, tx)
		},
	}
}

// protocols describes those of one provider.
func (s *Service) protocols() api.Resource[protocol] {
	return api.Resource[protocol]{
		Name: "protocol", Path: federationPath + "/identity_providers/{idp_id}/protocols", Owner: api.Cloud, Links: true, Without: []api.Op{api.OpCreate},
		Read: policy.AdminOrSystemReader, Write: policy.Admin, Rows: s.tables.protocols,
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, _, _ *protocol) error { return s.touch(ctx, tx) },
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, _ *protocol) error { return s.touch(ctx, tx) },
	}
}

const federationPath = "/OS-FEDERATION"

// federationRoutes make what has its id from the client, and let users in.
func (s *Service) federationRoutes() []api.Route {
	const one = federationPath + "/identity_providers/{idp_id}"
	put := func(path, rule string, do func(context.Context, *api.Call) error) api.Route {
		return api.Route{Method: http.MethodPut, Path: path, Rule: rule, Handle: do}
	}
	return []api.Route{
		put(one, "identity:create_identity_provider", s.putProvider),
		put(federationPath+"/mappings/{mapping_id}", "identity:create_mapping", s.putMapping),
		put(one+"/protocols/{protocol_id}", "identity:create_protocol", s.putProtocol),
		{Method: http.MethodPost, Path: one + "/protocols/{protocol_id}/auth", Public: true, Login: true, Handle: s.federatedLogin},
		{Method: http.MethodGet, Path: one + "/protocols/{protocol_id}/auth", Public: true, Login: true, Handle: s.federatedLogin},
		get(federationPath+"/projects", ruleAuthProjects, s.authProjects),
		get(federationPath+"/domains", ruleAuthDomains, s.authDomains),
	}
}

func federationRules() []policy.Rule {
	return []policy.Rule{
		{Name: "identity:create_identity_provider", Check: policy.Admin, Doc: "believing an identity provider"},
		{Name: "identity:create_mapping", Check: policy.Admin, Doc: "making rules of what follows from claims"},
		{Name: "identity:create_protocol", Check: policy.Admin, Doc: "joining an identity provider and rules"},
	}
}

// sealed is in the order of the settings' fields.
func (s *Service) sealProvider(p *identityProvider) error {
	if len(p.RemoteIDs) > 1 {
		return cloud.BadRequest("remote_ids has %d entries; allowed: none, or the address of the issuer", len(p.RemoteIDs))
	}
	if p.OIDC == nil {
		p.Sealed = ""
		return nil
	}
	if _, err := federation.NewIssuer(p.settings(), s.clock); err != nil {
		return cloud.BadRequest("identity_provider: %v", err)
	}
	text, err := json.Marshal(p.OIDC)
	if err != nil {
		return err
	}
	p.Sealed = s.secrets.seal(string(text), p.ID)
	return nil
}

// oidc are the settings that a row keeps; nil if there are none.
func (s *Service) oidc(p *identityProvider) (*oidcSettings, error) {
	if p.Sealed == "" {
		return nil, nil
	}
	text, err := s.secrets.open(p.Sealed, p.ID)
	if err != nil {
		return nil, err
	}
	o := &oidcSettings{}
	return o, json.Unmarshal([]byte(text), o)
}

// domain is where the provider's users are.
func (p *identityProvider) domain() string { return orNone(p.DomainID) }

func (p *identityProvider) issuer() string {
	if len(p.RemoteIDs) == 0 {
		return ""
	}
	return p.RemoteIDs[0]
}

func (p *identityProvider) settings() federation.Settings {
	o := p.OIDC
	return federation.Settings{
		Issuer: p.issuer(), Audiences: o.Audiences, KeysURL: o.KeysURL, CA: o.CA, Local: o.Local, ClientID: o.ClientID, ClientSecret: o.ClientSecret,
	}
}

// parse reads the rules.
func (m *federationMapping) parse() (*federation.Mapping, error) {
	text, err := json.Marshal(m.Rules)
	if err != nil {
		return nil, err
	}
	parsed, err := federation.ParseMapping(text)
	if err != nil {
		return nil, cloud.BadRequest("%v", err)
	}
	return parsed, nil
}
