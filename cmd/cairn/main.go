// Command cairn is every role of a machine in a Cairn cloud, a sub-command
// each.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/cairn-cloud/cairn/controller"
	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/installer"
	"github.com/cairn-cloud/cairn/installer/fabric"
	"github.com/cairn-cloud/cairn/installer/inventory"
	"github.com/cairn-cloud/cairn/iso/seal"
	"github.com/cairn-cloud/cairn/node/agent"
	"github.com/cairn-cloud/cairn/node/simnode"
	"github.com/cairn-cloud/cairn/pxe"
	"github.com/cairn-cloud/cairn/pxe/operate"
	"github.com/cairn-cloud/cairn/qa/lab"
)

type roles struct {
	Install    installer.Command      `cmd:"" help:"Print what an installation of a machine would do."`
	Deploy     pxe.Command            `cmd:"" help:"Boot the machines of a rack from the network and install them."`
	Fleet      operate.Command        `cmd:"" help:"Show and operate the machines of a deployer."`
	Controller controller.Command     `cmd:"" help:"Serve the cloud's APIs."`
	Node       agent.Command          `cmd:"" help:"Run the guests of this host."`
	Inventory  inventory.Command      `cmd:"" help:"Print what this machine consists of."`
	Audit      hardening.AuditCommand `cmd:"" help:"Compare this machine with what it should be."`
	Rack       struct {
		lab.Command `embed:""`
		Check       installer.RackCommand    `cmd:"" help:"Say what is wrong with a rack.yaml, or print it with its defaults."`
		Explain     installer.ExplainCommand `cmd:"" help:"Say what becomes of machines by a rack.yaml, and why."`
		Schema      installer.SchemaCommand  `cmd:"" help:"Print the JSON Schema of rack.yaml."`
	} `cmd:"" help:"Check a rack.yaml, or rehearse a rack in virtual machines."`
	ISO     seal.Command    `cmd:"" name:"iso" help:"Seal a rack.yaml into an installation medium."`
	Simnode simnode.Command `cmd:"" hidden:"" help:"Pretend to be hosts."`
	Probe   fabric.Command  `cmd:"" hidden:"" name:"probe-fabric" help:"Take part in a round of the fabric check."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k := kong.Parse(&roles{}, kong.Name("cairn"), kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Vars{"operator_dir": operate.DefaultDir},
		kong.Description("Turns a rack of machines into an OpenStack-compatible cloud."))
	k.FatalIfErrorf(k.Run(slog.New(slog.NewTextHandler(os.Stderr, nil))))
}
