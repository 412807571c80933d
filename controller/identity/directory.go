package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"

	"github.com/cairn-cloud/cairn/controller/identity/directory"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Users and groups of a domain may come from a directory. What is seen there,
// because somebody logs in or an administrator asks, is kept as rows beside
// our own: so roles, lists and tokens are the same for all users, and a token
// is validated without asking the directory. What is not there any more is
// gone: the row stays with its roles, for it may come back, and nothing else
// knows of it.

// directories are those that were opened, by domain.
type directories struct {
	mu   sync.Mutex // guards what follows
	open map[string]openDirectory
}

// An openDirectory is what became of a configuration.
type openDirectory struct {
	sealed string
	dir    *directory.Directory // nil: the users are ours
	err    error
}

// The drivers that there are.
const (
	driverSQL  = "sql"
	driverLDAP = "ldap"
)

// driver is where users come from.
func (d domainConfig) driver() string {
	name, ok := d["identity"]["driver"].(string)
	if !ok || name == "" {
		return driverSQL
	}
	return name
}

// directoryOf is the directory that a domain's users come from; nil if they
// are ours, Unavailable if its configuration cannot be used.
func (s *Service) directoryOf(snap *snapshot, domain string) (*directory.Directory, error) {
	row := snap.configs.at(domain)
	if row == nil {
		return nil, nil
	}
	s.directories.mu.Lock()
	defer s.directories.mu.Unlock()
	known, ok := s.directories.open[domain]
	if !ok || known.sealed != row.Sealed {
		known = s.openDirectory(row)
		if s.directories.open == nil {
			s.directories.open = map[string]openDirectory{}
		}
		s.directories.open[domain] = known
	}
	return known.dir, known.err
}

func (s *Service) openDirectory(row *configRow) openDirectory {
	o := openDirectory{sealed: row.Sealed}
	config, err := s.openConfig(row)
	if err != nil {
		o.err = err
		return o
	}
	switch driver := config.driver(); driver {
	case driverSQL:
		return o
	case driverLDAP:
		if o.dir, err = directory.New(config["ldap"]); err != nil {
			o.err = cloud.Unavailable("The configuration of domain %s cannot be used: %v", row.DomainID, err)
		}
	default:
		o.err = cloud.Unavailable("identity.driver in the configuration of domain %s is %q; allowed: sql, ldap", row.DomainID, driver)
	}
	return o
}

// openConfig is the configuration that a row keeps.
func (s *Service) openConfig(row *configRow) (domainConfig, error) {
	text, err := s.secrets.open(row.Sealed, row.DomainID)
	if err != nil {
		return nil, err
	}
	config := domainConfig{}
	return config, json.Unmarshal([]byte(text), &config)
}

// mayWrite refuses to write users and groups of a domain that are not ours.
func (s *Service) mayWrite(domain string) error {
	dir, err := s.directoryOf(s.now.Load(), domain)
	if dir == nil && err == nil {
		return nil
	}
	return cloud.Forbidden("Users and groups of domain %s come from a directory, which is only read here: make the change there.", domain).Because(err)
}

// fromDirectory refuses to change what comes from a directory.
func fromDirectory(noun, id string, localID *string) error {
	if localID == nil {
		return nil
	}
	return cloud.Forbidden("The %s %s comes from the directory of its domain, which is only read here: make the change there.", noun, id)
}

// directoryID is the id of a user or group of a directory, as Keystone makes
// it: the same on every controller, and as long as its own id there stays.
func directoryID(domain, kind, localID string) string {
	sum := sha256.Sum256([]byte(domain + kind + localID))
	return hex.EncodeToString(sum[:])
}

// checkDriver holds a new configuration against the domain's rows, and lets
// what came from a directory be gone when users come from there no longer.
func (s *Service) checkDriver(ctx context.Context, tx *store.Tx, domain string, config domainConfig) error {
	here, there := store.Eq("domain_id", domain), store.Ne("local_id", nil)
	if config.driver() == driverSQL {
		return s.vanish(ctx, tx, newSight(domain), here, there)
	}
	users, err := s.tables.users.In(tx).Count(ctx, here, store.Eq("local_id", nil))
	if err != nil {
		return err
	}
	groups, err := s.tables.groups.In(tx).Count(ctx, here, store.Eq("local_id", nil))
	if err != nil || users+groups == 0 {
		return err
	}
	return cloud.Conflict("identity.driver is %s, but domain %s has %d users and %d groups of its own; a domain whose users come from elsewhere may have none.",
		config.driver(), domain, users, groups)
}
