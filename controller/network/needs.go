package network

import "context"

// Guests is told which servers' desired state has changed because their ports,
// or what may reach them, did. Telling twice does no harm.
type Guests interface {
	PortsChanged(ctx context.Context, serverIDs []string) error
}
