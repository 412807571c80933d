package installer

import (
	"context"
	"log/slog"

	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Render renders /etc of the node below root with the hardening controls. A
// node with a rack.yaml of its own is the deployer of that rack.
func Render(ctx context.Context, root string, node spec.Node, log *slog.Logger) error {
	target := &hardening.Target{Root: root, Log: log, Node: hardening.Node{
		ID: node.ID, Name: node.Name, Cluster: node.Cluster, Version: node.Version,
		Management: card(node.Management),
		External:   card(node.External),
		TenantMAC:  node.Tenant.MAC,
		TenantMTU:  node.Tenant.MTU,
		Controller: node.Controller,
		APINames:   node.APINames,
		SSHKeys:    node.SSHKeys,
		Deployer:   node.Rack != "",
	}}
	for _, r := range node.Roles {
		target.Node.Roles = append(target.Node.Roles, string(r))
	}
	if node.Rack != "" {
		rack, err := plan.ParseRack([]byte(node.Rack))
		if err != nil {
			return err
		}
		target.Node.VLANFrom, target.Node.VLANTo = rack.Tenant.VLANFrom, rack.Tenant.VLANTo
	}
	return hardening.Apply(ctx, target)
}

// card is the interface as the controls know it.
func card(i spec.Interface) hardening.Interface {
	c := hardening.Interface{MAC: i.MAC, Address: i.Address, Gateway: i.Gateway, DHCP: i.DHCP, VLAN: i.VLAN, MTU: i.MTU}
	if i.Bond != nil {
		c.Bond = &hardening.Bond{Mode: i.Bond.Mode, Members: i.Bond.Members}
	}
	return c
}
