package identity

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/identity/directory"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A domainConfig is the options of a domain by group: where its users come
// from (see directory.go). It may be written in parts, so one that cannot be
// used yet is kept, and says why when it is used.
type domainConfig map[string]map[string]any

// defaultConfig is what holds for a domain that has no configuration.
func defaultConfig() domainConfig {
	return domainConfig{"identity": {"driver": driverSQL, "list_limit": nil}, "ldap": directory.Defaults()}
}

// A configRow is the configuration of one domain.
type configRow struct {
	DomainID string `db:"domain_id,key"`
	Sealed   string `db:"config_sealed"`
}

// configRoutes are /domains/{id}/config, whole, by group and by option, and
// /domains/config/default, which has group and option in front of default.
func (s *Service) configRoutes() []api.Route {
	var routes []api.Route
	for _, part := range []string{"", "/{group}", "/{group}/{option}"} {
		routes = append(routes, get("/domains/config"+part+"/default", ruleConfig, func(_ context.Context, c *api.Call) error {
			return answerConfig(c, http.StatusOK, defaultConfig())
		}))
		routes = append(routes,
			api.Route{Method: http.MethodPatch, Path: "/domains/{domain_id}/config" + part, Rule: ruleConfig, Handle: s.patchConfig},
			api.Route{Method: http.MethodDelete, Path: "/domains/{domain_id}/config" + part, Rule: ruleConfig, Handle: s.deleteConfig})
		routes = append(routes, get("/domains/{domain_id}/config"+part, ruleConfig, func(ctx context.Context, c *api.Call) error {
			config, err := s.configOf(ctx, s.db, c)
			if err != nil {
				return err
			}
			return answerConfig(c, http.StatusOK, config)
		}))
	}
	return append(routes, api.Route{Method: http.MethodPut, Path: "/domains/{domain_id}/config", Rule: ruleConfig, Handle: s.putConfig})
}

// noConfig says that what a path names is not there.
func noConfig(c *api.Call) error {
	return cloud.NotFound("Could not find the domain configuration %s %s of domain %s.", c.Param("group"), c.Param("option"), c.Param("domain_id"))
}

// shown is a configuration without what is secret.
func (d domainConfig) shown() domainConfig {
	if ldap := d["ldap"]; ldap != nil {
		d = maps.Clone(d)
		d["ldap"] = maps.Clone(ldap)
		delete(d["ldap"], "password")
	}
	return d
}

// answerConfig writes the part of a configuration that the path names.
func answerConfig(c *api.Call, code int, config domainConfig) error {
	config = config.shown()
	group, option := c.Param("group"), c.Param("option")
	var part any = config
	if group != "" {
		options, ok := config[group]
		if !ok {
			return noConfig(c)
		}
		part = domainConfig{group: options}
		if option != "" {
			value, ok := options[option]
			if !ok {
				return noConfig(c)
			}
			part = map[string]any{option: value}
		}
	}
	return c.JSON(code, map[string]any{"config": part})
}

// configOf reads the configuration of the path's domain; NotFound if there is
// none.
func (s *Service) configOf(ctx context.Context, q store.Querier, c *api.Call) (domainConfig, error) {
	id := c.Param("domain_id")
	if s.now.Load().domains.at(id) == nil {
		return nil, cloud.NotFound("Could not find domain: %s.", id)
	}
	row, err := s.tables.configs.In(q).Get(ctx, id)
	if cloud.IsNotFound(err) {
		return nil, noConfig(c)
	}
	if err != nil {
		return nil, err
	}
	return s.openConfig(row)
}

// keepConfig replaces the configuration of a domain.
func (s *Service) keepConfig(ctx context.Context, tx *store.Tx, id string, config domainConfig) error {
	if err := config.check(); err != nil {
		return err
	}
	if err := s.checkDriver(ctx, tx, id, config); err != nil {
		return err
	}
	if _, err := s.tables.configs.In(tx).Delete(ctx, store.Eq("domain_id", id)); err != nil || len(config) == 0 {
		return err
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return s.tables.configs.In(tx).Insert(ctx, &configRow{id, s.secrets.seal(string(text), id)})
}

// readConfig reads the config of a body and holds it against the groups that
// there are.
func readConfig(c *api.Call, to any) error {
	var body struct {
		Config json.RawMessage `json:"config"`
	}
	if err := c.Read(&body); err != nil {
		return err
	}
	if err := json.Unmarshal(body.Config, to); err != nil {
		return cloud.BadRequest("config is not an object of groups with options").Because(err)
	}
	config, ok := to.(*domainConfig)
	if !ok {
		return nil
	}
	for group, options := range *config {
		if defaultConfig()[group] == nil || len(options) == 0 {
			return cloud.Forbidden("config.%s is not supported; allowed: identity and ldap with options", group)
		}
	}
	return nil
}

// check refuses options that there are not, and values that are never right.
func (d domainConfig) check() error {
	for group, options := range d {
		for name := range options {
			if _, ok := defaultConfig()[group][name]; !ok && (group != "ldap" || name != "password") {
				return cloud.Forbidden("config.%s.%s is not supported; allowed: %v", group, name, sortedKeys(defaultConfig()[group]))
			}
		}
	}
	switch driver := d["identity"]["driver"].(type) {
	case nil:
	case string:
		if len(driver) > 255 {
			return cloud.BadRequest("config.identity.driver has %d characters; allowed: 255 at most", len(driver))
		}
	default:
		return cloud.BadRequest("config.identity.driver is %v; allowed: sql, ldap", driver)
	}
	if _, err := directory.Parse(d["ldap"]); err != nil {
		return cloud.BadRequest("config.ldap: %v", err)
	}
	return nil
}

// putConfig answers PUT: a new configuration, whole.
func (s *Service) putConfig(ctx context.Context, c *api.Call) error {
	config := domainConfig{}
	if err := readConfig(c, &config); err != nil {
		return err
	}
	code := http.StatusOK
	err := s.change(ctx, func(tx *store.Tx) error {
		_, err := s.configOf(ctx, tx, c)
		if cloud.IsNotFound(err) && s.now.Load().domains.at(c.Param("domain_id")) != nil {
			code, err = http.StatusCreated, nil
		}
		if err != nil {
			return err
		}
		return s.keepConfig(ctx, tx, c.Param("domain_id"), config)
	})
	if err != nil {
		return err
	}
	return answerConfig(c, code, config)
}

// changeConfig replaces the configuration of the path's domain by what do
// makes of it, and gives that.
func (s *Service) changeConfig(ctx context.Context, c *api.Call, do func(old domainConfig) (domainConfig, error)) (changed domainConfig, err error) {
	return changed, s.change(ctx, func(tx *store.Tx) error {
		old, err := s.configOf(ctx, tx, c)
		if err != nil {
			return err
		}
		if changed, err = do(old); err != nil {
			return err
		}
		return s.keepConfig(ctx, tx, c.Param("domain_id"), changed)
	})
}

// patchConfig lays the body over the path's part of a configuration, and
// answers the whole.
func (s *Service) patchConfig(ctx context.Context, c *api.Call) error {
	change, err := configChange(c)
	if err != nil {
		return err
	}
	config, err := s.changeConfig(ctx, c, func(old domainConfig) (domainConfig, error) {
		if group := c.Param("group"); group != "" && old[group] == nil {
			return nil, noConfig(c)
		}
		for name, options := range change {
			if old[name] == nil {
				old[name] = map[string]any{}
			}
			maps.Copy(old[name], options)
		}
		return old, nil
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"config": config.shown()})
}

// configChange is the body of a PATCH, which speaks of the path's part only.
func configChange(c *api.Call) (domainConfig, error) {
	group, option := c.Param("group"), c.Param("option")
	change := domainConfig{}
	if option != "" {
		options := map[string]any{}
		if err := readConfig(c, &options); err != nil {
			return nil, err
		}
		if _, ok := options[option]; !ok || len(options) != 1 {
			return nil, cloud.BadRequest("config has to name the option %s of the path and no other", option)
		}
		change[group] = options
		return change, nil
	}
	if err := readConfig(c, &change); err != nil {
		return nil, err
	}
	if _, ok := change[group]; group != "" && (!ok || len(change) != 1) {
		return nil, cloud.BadRequest("config has to name the group %s of the path and no other", group)
	}
	return change, nil
}

// deleteConfig takes the path's part out of a configuration.
func (s *Service) deleteConfig(ctx context.Context, c *api.Call) error {
	group, option := c.Param("group"), c.Param("option")
	_, err := s.changeConfig(ctx, c, func(old domainConfig) (domainConfig, error) {
		if group == "" {
			return nil, nil
		}
		options, ok := old[group]
		if _, has := options[option]; !ok || option != "" && !has {
			return nil, noConfig(c)
		}
		delete(options, option)
		if option == "" || len(options) == 0 {
			delete(old, group)
		}
		return old, nil
	})
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}
