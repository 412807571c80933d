package deployer

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Have tells the deployer once which chunks this machine has, and returns where
// the others are.
func (c *Client) Have(ctx context.Context, h plan.Have) (plan.Swarm, error) {
	var s plan.Swarm
	err := c.once(ctx, http.MethodPost, "/have", h, &s)
	return s, err
}
