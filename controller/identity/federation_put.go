package identity

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// putOne reads what PUT is to make: the object called name, with the id of the
// path's parameter.
func putOne[T any](c *api.Call, name, param string) (in *T, id string, err error) {
	if id = c.Param(param); !federationID.MatchString(id) {
		return nil, id, cloud.BadRequest("the id of a %s is %q; allowed: 1 to 64 letters, digits, and any of . _ ~ -", name, short(id))
	}
	var body map[string]json.RawMessage
	if err := c.Read(&body); err != nil {
		return nil, id, err
	}
	if body[name] == nil {
		return nil, id, cloud.BadRequest("the body has no %s", name)
	}
	in, err = api.DecodeRaw[T](c, body[name])
	return in, id, err
}

// made answers with what was made.
func made[T any](c *api.Call, name, path string, row *T) error {
	o, err := c.Entry(row, path)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, map[string]any{name: o})
}

// putProvider makes an identity provider, and a domain for its users if none
// is named.
func (s *Service) putProvider(ctx context.Context, c *api.Call) error {
	p, id, err := putOne[identityProvider](c, "identity_provider", "idp_id")
	if err != nil {
		return err
	}
	p.ID = id
	if err := s.sealProvider(p); err != nil {
		return err
	}
	if p.RemoteIDs == nil {
		p.RemoteIDs = []string{}
	}
	own := p.domain() == ""
	if own {
		id := cloud.NewHexID()
		p.DomainID = &id
	} else if s.now.Load().domains.at(p.domain()) == nil {
		return cloud.NotFound("Could not find domain: %s.", p.domain())
	}
	if err := s.mayWrite(p.domain()); err != nil {
		return err
	}
	err = s.change(ctx, func(tx *store.Tx) error {
		if own {
			d := &Domain{ID: p.domain(), Name: p.ID, Description: "Users of the identity provider " + p.ID, Enabled: true}
			if err := s.insertDomain(ctx, tx, d); err != nil {
				return err
			}
		}
		return s.tables.providers.In(tx).Insert(ctx, p)
	})
	if err != nil {
		return err
	}
	if p.OIDC != nil {
		p.OIDC.ClientSecret = ""
	}
	return made(c, "identity_provider", federationPath+"/identity_providers/"+p.ID, p)
}

// putMapping makes a mapping.
func (s *Service) putMapping(ctx context.Context, c *api.Call) error {
	m, id, err := putOne[federationMapping](c, "mapping", "mapping_id")
	if err != nil {
		return err
	}
	m.ID = id
	if _, err := m.parse(); err != nil {
		return err
	}
	if err := s.change(ctx, func(tx *store.Tx) error { return s.tables.mappings.In(tx).Insert(ctx, m) }); err != nil {
		return err
	}
	return made(c, "mapping", federationPath+"/mappings/"+m.ID, m)
}

// putProtocol makes a protocol of a provider.
func (s *Service) putProtocol(ctx context.Context, c *api.Call) error {
	p, id, err := putOne[protocol](c, "protocol", "protocol_id")
	if err != nil {
		return err
	}
	snap := s.now.Load()
	p.ID, p.ProviderID, p.Key = id, c.Param("idp_id"), protocolKey(c.Param("idp_id"), id)
	switch {
	case snap.providers.at(p.ProviderID) == nil:
		return cloud.NotFound("Could not find identity provider: %s.", p.ProviderID)
	case snap.mappings.at(p.MappingID) == nil:
		return cloud.BadRequest("protocol.mapping_id is %s; there is no such mapping", short(p.MappingID))
	}
	if err := s.change(ctx, func(tx *store.Tx) error { return s.tables.protocols.In(tx).Insert(ctx, p) }); err != nil {
		return err
	}
	return made(c, "protocol", federationPath+"/identity_providers/"+p.ProviderID+"/protocols/"+p.ID, p)
}
