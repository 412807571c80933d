package compute

import (
	"context"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A disabledHost is a host that gets no new servers.
type disabledHost struct {
	NodeID    string    `db:"node_id,key"`
	Reason    string    `db:"reason"`
	UpdatedAt time.Time `db:"updated_at"`
}

// A promise is what the servers of a host were promised together.
type promise struct{ VCPUs, MemoryMiB, DiskGiB, Servers int }

// usage is what every host has promised, by its id.
func (s *Service) usage(ctx context.Context) (map[string]promise, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT node_id, SUM(vcpus), SUM(ram), SUM(disk), COUNT(*) FROM servers
		WHERE node_id <> '' GROUP BY node_id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]promise{}
	for rows.Next() {
		var id string
		var p promise
		if err := rows.Scan(&id, &p.VCPUs, &p.MemoryMiB, &p.DiskGiB, &p.Servers); err != nil {
			return nil, err
		}
		out[id] = p
	}
	return out, rows.Err()
}

// disabledHosts is the hosts that get no new servers, by id.
func (s *Service) disabledHosts(ctx context.Context) (map[string]disabledHost, error) {
	rows, err := s.disabled.List(ctx, store.Query{})
	out := make(map[string]disabledHost, len(rows))
	for _, r := range rows {
		out[r.NodeID] = r
	}
	return out, err
}
