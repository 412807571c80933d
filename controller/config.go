package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/controller/identity"
	"github.com/cairn-cloud/cairn/controller/image"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Config is the file of the controller process (/etc/cairn/controller.json).
// Hardening renders it; `cairn controller --check` says what is wrong with it.
type Config struct {
	Listen     string   `json:"listen"`      // host:port of the public APIs
	NodeListen string   `json:"node_listen"` // host:port for nodes and the deployer, management network only
	StateDir   string   `json:"state_dir"`
	Region     string   `json:"region"` // empty: RegionOne
	CA         string   `json:"ca"`     // file: who clients on NodeListen have to be certified by
	Cert       string   `json:"cert"`   // file: certificate of both ports
	Key        string   `json:"key"`
	Database   Database `json:"database"`
	Broker     Broker   `json:"broker"`

	AdminPasswordFile string `json:"admin_password_file"`
	// PolicyDir holds the operator's rules, a file for each service that has
	// some ("compute.yaml"); empty: state_dir/policy.
	PolicyDir string `json:"policy_dir"`
	// Limits bound the requests that are under way at a time; absent: 2,000 of
	// everybody, 400 of an address, 200 of a token.
	Limits *api.Limits `json:"limits"`
	// Passwords are the rules of passwords and log-ins; what is absent is as in
	// identity.DefaultPasswordRules.
	Passwords *identity.PasswordRules `json:"passwords"`

	VLANFrom int `json:"vlan_from"` // first VLAN of project networks
	VLANTo   int `json:"vlan_to"`   // last one
	MTU      int `json:"mtu"`       // of project networks at most; 0: 1500

	Image image.Config `json:"image"` // what the image service may do; absent: its defaults
}

// Database says where MariaDB is and who the services are there. Accounts are
// named by the service, those that may change its schema by the service and
// "_ddl".
type Database struct {
	Address    string             `json:"address"`
	ServerName string             `json:"server_name"`
	Accounts   map[string]Account `json:"accounts"`
}

// An Account is one account at the database.
type Account struct {
	User         string `json:"user"`
	PasswordFile string `json:"password_file"`
	Cert         string `json:"cert"`
	Key          string `json:"key"`
	Schema       string `json:"schema"` // empty: the name of the service
}

// Broker says where RabbitMQ is and who the controller is there.
type Broker struct {
	Address     string `json:"address"`
	ServerName  string `json:"server_name"`
	VHost       string `json:"vhost"`
	Cert        string `json:"cert"`
	Key         string `json:"key"`
	Definitions string `json:"definitions"` // file that the accounts of nodes are written to
}

// LoadConfig reads and checks a file.
func LoadConfig(path string) (Config, error) {
	rules := identity.DefaultPasswordRules()
	c := Config{Passwords: &rules}
	b, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if err := c.Check(); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Check tells everything that is wrong with the values, without touching what
// they name.
func (c *Config) Check() error {
	var errs []error
	need := func(field, value, allowed string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is empty; allowed: %s", field, allowed))
		}
	}
	need("listen", c.Listen, "host:port, like :443")
	need("node_listen", c.NodeListen, "host:port on the management network")
	need("state_dir", c.StateDir, "a directory")
	need("ca", c.CA, "a PEM file")
	need("cert", c.Cert, "a PEM file")
	need("key", c.Key, "a PEM file")
	need("admin_password_file", c.AdminPasswordFile, "a file")
	need("database.address", c.Database.Address, "host:port")
	need("broker.address", c.Broker.Address, "host:port")
	need("broker.vhost", c.Broker.VHost, "a virtual host, like /cairn")
	if c.VLANFrom < 1 || c.VLANTo > 4094 || c.VLANFrom > c.VLANTo {
		errs = append(errs, fmt.Errorf("vlan_from %d, vlan_to %d: allowed: 1 to 4094, from not above to", c.VLANFrom, c.VLANTo))
	}
	if c.MTU != 0 && (c.MTU < 1280 || c.MTU > 9216) {
		errs = append(errs, fmt.Errorf("mtu %d: allowed: 1280 to 9216, or 0 for 1500", c.MTU))
	}
	if c.Passwords != nil {
		if err := c.Passwords.Check(); err != nil {
			errs = append(errs, fmt.Errorf("passwords: %w", err))
		}
	}
	if err := c.Image.Check(); err != nil {
		errs = append(errs, fmt.Errorf("image: %w", err))
	}
	for _, service := range services {
		for _, name := range []string{service, service + "_ddl"} {
			if _, ok := c.Database.Accounts[name]; !ok {
				errs = append(errs, fmt.Errorf("database.accounts.%s is missing", name))
			}
		}
	}
	return errors.Join(errs...)
}

// limits are the bounds of requests.
func (c *Config) limits() api.Limits {
	if c.Limits != nil {
		return *c.Limits
	}
	return api.Limits{Total: 2000, PerAddress: 400, PerToken: 200}
}

// policies are where the operator's rules are.
func (c *Config) policies() string {
	if c.PolicyDir != "" {
		return c.PolicyDir
	}
	return filepath.Join(c.StateDir, "policy")
}

// database is how to reach the schema of a service with one of its accounts.
func (c *Config) database(service, suffix string) store.Config {
	a := c.Database.Accounts[service+suffix]
	schema := a.Schema
	if schema == "" {
		schema = service
	}
	return store.Config{
		Address: c.Database.Address, ServerName: c.Database.ServerName, CA: c.CA,
		User: a.User, PasswordFile: a.PasswordFile, Cert: a.Cert, Key: a.Key, Database: schema,
	}
}
