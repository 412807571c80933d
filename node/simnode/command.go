package simnode

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/node/bus"
)

// Command runs simulated nodes against a broker until it is told to stop. Each
// node has an account of its own: its certificate and key are
// <certs>/node-<id>/tls.crt and tls.key.
type Command struct {
	Address    string   `help:"host:port of the message broker." required:""`
	ServerName string   `help:"Name in the broker's certificate." default:"rabbitmq"`
	VHost      string   `help:"Virtual host of the broker." name:"vhost" default:"/cairn"`
	CA         string   `help:"File with the CA certificate." required:"" type:"existingfile"`
	Certs      string   `help:"Directory with a directory node-ID for each node." required:"" type:"existingdir"`
	State      string   `help:"Directory for what the nodes keep." required:"" type:"path"`
	Nodes      []string `arg:"" help:"Ids of the nodes; a node is called by its id." required:""`
}

// Run is called by kong.
func (c *Command) Run(ctx context.Context, log *slog.Logger) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, id := range c.Nodes {
		dir := filepath.Join(c.Certs, "node-"+id)
		b, err := bus.DialNode(ctx, id, bus.Config{
			Address: c.Address, ServerName: c.ServerName, VHost: c.VHost, CA: c.CA,
			Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), Log: log.With("node", id),
		})
		if err != nil {
			return fmt.Errorf("simulated node %s: %w", id, err)
		}
		defer b.Close()
		g.Go(func() error {
			return Run(ctx, b, Options{ID: id, Name: id, StateDir: filepath.Join(c.State, id), Log: log.With("node", id)})
		})
	}
	return g.Wait()
}
