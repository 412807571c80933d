// Command cairn is every role of a machine in a Cairn cloud, a sub-command
// each; as the first process of a machine it boots or installs it.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/installer"
	"github.com/cairn-cloud/cairn/pxe"
)

type roles struct {
	Audit  hardening.AuditCommand `cmd:"" help:"Compare this machine with what it should be."`
	Deploy pxe.Command            `cmd:"" help:"Boot the machines of a rack from the network and install them."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getpid() == 1 {
		installer.Init(context.Background(), installer.Hooks{Render: installer.Render})
	}
	k := kong.Parse(&roles{}, kong.Name("cairn"), kong.UsageOnError(),
		kong.Description("Turns a rack of machines into an OpenStack-compatible cloud."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(k.Run(slog.New(slog.NewTextHandler(os.Stderr, nil))))
}
