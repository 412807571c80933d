package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// What a trial makes may be there already: of a trial before it, or because
// the answer to its own request was lost. It goes on with that.

// A thing is what all lists of the services have in common.
type thing struct {
	ID, Name, Status string
}

// things lists a collection of a service, those with a name alone.
func things(ctx context.Context, c *gophercloud.ServiceClient, collection, name string) ([]thing, error) {
	var body map[string]json.RawMessage
	resp, err := c.Get(ctx, c.ServiceURL(collection)+"?name="+url.QueryEscape(name), &body, nil)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", collection, err)
	}
	defer resp.Body.Close()
	var list []thing
	if err := json.Unmarshal(body[collection], &list); err != nil {
		return nil, fmt.Errorf("list %s: %w", collection, err)
	}
	// Compute takes a name for a pattern, and flavors have no such filter.
	return slices.DeleteFunc(list, func(t thing) bool { return t.Name != name }), nil
}

// once returns the id of what has a name in a collection, and creates it if
// there is none.
func once(ctx context.Context, c *gophercloud.ServiceClient, collection, name string, create func() (string, error)) (string, error) {
	list, err := things(ctx, c, collection, name)
	if err != nil {
		return "", err
	}
	if len(list) > 0 {
		return list[0].ID, nil
	}
	id, err := create()
	if err != nil {
		return "", fmt.Errorf("create %s in %s: %w", name, collection, err)
	}
	return id, nil
}

// clear deletes the servers of a project, and then the ports, that another
// form of the trial has left: they have the addresses that this one needs.
func (t *Trial) clear(ctx context.Context, s *side) error {
	wanted := t.form.names()
	pages, err := servers.List(s.user.compute, nil).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("list servers: %w", err)
	}
	list, err := servers.ExtractServers(pages)
	if err != nil {
		return fmt.Errorf("list servers: %w", err)
	}
	left := 0
	for _, old := range list {
		if slices.Contains(wanted[:], old.Name) && old.Status != "ERROR" {
			continue
		}
		left++
		if err := servers.Delete(ctx, s.user.compute, old.ID).ExtractErr(); err != nil && !gophercloud.ResponseCodeIs(err, 404) {
			return fmt.Errorf("delete server %s: %w", old.Name, err)
		}
	}
	if left > 0 {
		return fmt.Errorf("%d servers of a trial before are being deleted", left)
	}
	return clearPorts(ctx, s, wanted[:])
}

func clearPorts(ctx context.Context, s *side, wanted []string) error {
	pages, err := ports.List(s.user.network, ports.ListOpts{NetworkID: s.network}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("list ports: %w", err)
	}
	list, err := ports.ExtractPorts(pages)
	if err != nil {
		return fmt.Errorf("list ports: %w", err)
	}
	for _, p := range list {
		if p.DeviceOwner != "" || slices.Contains(wanted, p.Name) {
			continue
		}
		if err := ports.Delete(ctx, s.user.network, p.ID).ExtractErr(); err != nil && !gophercloud.ResponseCodeIs(err, 404) {
			return fmt.Errorf("delete port %s: %w", p.Name, err)
		}
	}
	return nil
}
