package compute

import (
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// A serverRow is one server. Flavor and Guest are as they were when it was
// made: later changes of the flavor or the image do not reach it.
type serverRow struct {
	ID            string            `db:"id,key"`
	Seq           int64             `db:"seq,auto"`
	ProjectID     string            `db:"project_id"`
	UserID        string            `db:"user_id"`
	Name          string            `db:"name"`
	Description   *string           `db:"description"`
	HostName      string            `db:"host_name"`
	ReservationID string            `db:"reservation_id"`
	LaunchIndex   int               `db:"launch_index"`
	ImageID       string            `db:"image_id"`
	FlavorID      string            `db:"flavor_id"`
	Guest         spec.Guest        `db:"guest,json"` // without ports and metadata
	VCPUs         int               `db:"vcpus"`
	RAM           int               `db:"ram"` // MiB
	Disk          int               `db:"disk"`
	KeyName       *string           `db:"key_name"`
	PublicKey     *string           `db:"public_key"`
	Metadata      map[string]string `db:"metadata,json"`
	UserData      []byte            `db:"user_data"`
	Networks      []Attachment      `db:"networks,json"`
	Groups        []string          `db:"security_groups,json"`
	Zone          string            `db:"zone"`
	ForcedHost    string            `db:"forced_host"`
	NodeID        string            `db:"node_id"`
	NodeName      string            `db:"node_name"`
	VM            VMState           `db:"vm_state"`
	Task          TaskState         `db:"task_state"`
	Fault         *fault            `db:"fault,json"`
	Intent        spec.Power        `db:"intent"` // empty: no host was told anything yet
	Generation    int64             `db:"generation"`
	RebootCount   int               `db:"reboot_count"`
	HardReboot    bool              `db:"hard_reboot"`
	CreatedAt     time.Time         `db:"created_at"`
	UpdatedAt     time.Time         `db:"updated_at"`
	LaunchedAt    *time.Time        `db:"launched_at"`
}

// A fault says why a server is in error, as its API shows it.
type fault struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Created time.Time `json:"created"`
}

func (r *serverRow) turn() turn {
	t := turn{vm: r.VM, task: r.Task}
	if r.Fault != nil {
		t.fault = r.Fault.Message
	}
	return t
}

// hostNameOf makes a host name of a server's name, as Nova does: letters,
// digits and hyphens, at most 63.
func hostNameOf(name, id string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.':
			b.WriteRune(r)
		case r == ' ' || r == '_':
			b.WriteByte('-')
		}
	}
	text := strings.ReplaceAll(b.String(), ".", "-")
	text = strings.Trim(text[:min(len(text), 63)], "-")
	if text == "" {
		return "server-" + id
	}
	return text
}

// tables is every table of the schema that has a struct.
type tables struct {
	servers  *store.Table[serverRow]
	flavors  *store.Table[Flavor]
	keypairs *store.Table[Keypair]
	disabled *store.Table[disabledHost]
}

func newTables(db *store.DB) tables {
	return tables{
		servers:  store.NewTable[serverRow](db, "servers"),
		flavors:  store.NewTable[Flavor](db, "flavors"),
		keypairs: store.NewTable[Keypair](db, "keypairs"),
		disabled: store.NewTable[disabledHost](db, "disabled_hosts"),
	}
}
