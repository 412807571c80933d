package hardening

import (
	"encoding/json"
	"regexp"
	"slices"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// Names at the broker. The exchanges and queues themselves are declared by the
// controller.
const (
	BrokerVHost      = "/cairn"
	BrokerController = "controller" // the controller's account
	BrokerReports    = "reports"    // exchange that nodes write to
	BrokerQueue      = "node."      // and the node's id: queue that it reads from
)

type brokerDefinitions struct {
	Users            []brokerUser       `json:"users"`
	VHosts           []brokerVHost      `json:"vhosts"`
	Permissions      []brokerPermission `json:"permissions"`
	TopicPermissions []struct{}         `json:"topic_permissions"`
	Parameters       []struct{}         `json:"parameters"`
	GlobalParameters []struct{}         `json:"global_parameters"`
	Policies         []struct{}         `json:"policies"`
	Queues           []struct{}         `json:"queues"`
	Exchanges        []struct{}         `json:"exchanges"`
	Bindings         []struct{}         `json:"bindings"`
}

// A brokerUser without a password hash can log in by certificate only.
type brokerUser struct {
	Name      string   `json:"name"`
	Hash      string   `json:"password_hash"`
	Algorithm string   `json:"hashing_algorithm"`
	Tags      []string `json:"tags"`
}

type brokerVHost struct {
	Name string `json:"name"`
}

type brokerPermission struct {
	User      string `json:"user"`
	VHost     string `json:"vhost"`
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

// BrokerDefinitions is the broker's accounts as a definitions file: the
// controller, and one account per node, by its id, that may write reports and
// read its own queue, and can declare nothing. The same nodes in any order
// give the same bytes.
func BrokerDefinitions(nodes []string) []byte {
	d := brokerDefinitions{
		VHosts:           []brokerVHost{{BrokerVHost}},
		TopicPermissions: []struct{}{}, Parameters: []struct{}{}, GlobalParameters: []struct{}{},
		Policies: []struct{}{}, Queues: []struct{}{}, Exchanges: []struct{}{}, Bindings: []struct{}{},
	}
	d.add(BrokerController, ".*", ".*", ".*")
	for _, id := range slices.Compact(slices.Sorted(slices.Values(nodes))) {
		d.add(pki.NodePrefix+id, "^$", "^"+BrokerReports+"$", "^"+regexp.QuoteMeta(BrokerQueue+id)+"$")
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		panic(err) // strings and slices of strings always encode
	}
	return append(text, '\n')
}

func (d *brokerDefinitions) add(user, configure, write, read string) {
	d.Users = append(d.Users, brokerUser{Name: user, Algorithm: "rabbit_password_hashing_sha256", Tags: []string{}})
	d.Permissions = append(d.Permissions, brokerPermission{
		User: user, VHost: BrokerVHost, Configure: configure, Write: write, Read: read,
	})
}
