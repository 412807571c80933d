package controller

import (
	"context"
	"slices"

	"github.com/cairn-cloud/cairn/controller/cluster"
	"github.com/cairn-cloud/cairn/controller/compute"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/network"
	"github.com/cairn-cloud/cairn/node/spec"
)

// The adapters below are what one service asks of another, in the asking
// service's words. They look the other service up when they are called, since
// network and compute need each other.

// guests is compute, as network and cluster need it.
type guests struct{ c *Cloud }

func (g guests) PortsChanged(ctx context.Context, serverIDs []string) error {
	return g.c.Compute.PortsChanged(ctx, serverIDs)
}

func (g guests) Resync(ctx context.Context, node string) error {
	return g.c.Compute.Resync(ctx, node)
}

// ports is network, as compute needs it.
type ports struct{ c *Cloud }

func attachments(in []compute.Attachment) []network.Attachment {
	out := make([]network.Attachment, len(in))
	for i, a := range in {
		out[i] = network.Attachment(a)
	}
	return out
}

func (p ports) Check(ctx context.Context, project string, attach []compute.Attachment, groups []string) error {
	return p.c.Network.Check(ctx, project, attachments(attach), groups)
}

func (p ports) NetworksOf(ctx context.Context, project string) ([]string, error) {
	return p.c.Network.NetworksOf(ctx, project)
}

func (p ports) Bind(ctx context.Context, b compute.Binding) error {
	return p.c.Network.Bind(ctx, network.Binding{
		ProjectID: b.ProjectID, ServerID: b.ServerID, HostName: b.HostName, Host: b.Host,
		Attach: attachments(b.Attach), Groups: b.Groups,
	})
}

func (p ports) Release(ctx context.Context, serverID string) error {
	return p.c.Network.Release(ctx, serverID)
}

func (p ports) SetUp(ctx context.Context, serverID string, up bool) error {
	return p.c.Network.SetUp(ctx, serverID, up)
}

func (p ports) GuestPorts(ctx context.Context, serverID string) ([]spec.Port, error) {
	return p.c.Network.GuestPorts(ctx, serverID)
}

func (p ports) Addresses(ctx context.Context, serverIDs []string) (map[string][]compute.Address, error) {
	all, err := p.c.Network.Addresses(ctx, serverIDs)
	out := make(map[string][]compute.Address, len(all))
	for id, list := range all {
		for _, a := range list {
			out[id] = append(out[id], compute.Address(a))
		}
	}
	return out, err
}

// hosts is cluster, as compute needs it: the nodes that run guests.
type hosts struct{ c *Cloud }

func (h hosts) Hosts(ctx context.Context) ([]compute.Host, error) {
	nodes, err := h.c.Cluster.List(ctx)
	if err != nil {
		return nil, err
	}
	out := []compute.Host{}
	for _, n := range nodes {
		if !slices.Contains(n.Roles, spec.RoleCompute) {
			continue
		}
		host := compute.Host{
			ID: n.ID, Name: n.Name, Address: n.Address, Ready: n.State == cluster.StateReady, Version: n.Version,
			VCPUs: n.VCPUs, MemoryMiB: n.MemoryMiB, DiskGiB: n.DiskGiB, Load: n.Load, Hypervisors: n.Hypervisors,
			HeardAt: n.RegisteredAt,
		}
		if n.HeardAt != nil {
			host.HeardAt = *n.HeardAt
		}
		out = append(out, host)
	}
	return out, nil
}

// images is image, as compute needs it.
type images struct{ c *Cloud }

func (i images) Image(ctx context.Context, caller *cloud.Caller, id string) (compute.Image, error) {
	img, err := i.c.Image.Find(ctx, caller, id)
	if err != nil {
		return compute.Image{}, err
	}
	return compute.Image{
		ID: img.ID, Status: img.Status, Format: img.Format(), Size: valueOf(img.Size), SHA512: valueOf(img.HashValue),
		MinDiskGiB: img.MinDisk, MinRAMMiB: img.MinRAM, Properties: img.Properties,
	}, nil
}

// valueOf is what p points to, the zero value for nothing.
func valueOf[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
