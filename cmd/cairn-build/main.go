// Command cairn-build makes what Cairn ships, on a build host: the release of
// the system image, the ISO, and the guest images for trying a cloud. It also
// runs a cloud on that host, for work on the APIs.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"

	"github.com/alecthomas/kong"

	imagebuilder "github.com/cairn-cloud/cairn/image-builder"
	"github.com/cairn-cloud/cairn/iso"
	"github.com/cairn-cloud/cairn/iso/seal"
	"github.com/cairn-cloud/cairn/qa/cloud"
)

type commands struct {
	Image imagebuilder.Command      `cmd:"" help:"Build the system image: out/release."`
	Guest imagebuilder.GuestCommand `cmd:"" help:"Build the guest images for trying a cloud: out/guest."`
	ISO   struct {
		Build iso.Command `cmd:"" default:"withargs" help:"Build the installation medium from the release: out/cairn.iso."`
		seal.Command
	} `cmd:"" name:"iso" help:"Build the installation medium, or seal a rack.yaml into it."`
	Cloud cloud.Command `cmd:"" help:"Run the controller on this host, with simulated nodes."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	k := kong.Parse(&commands{}, kong.Name("cairn-build"),
		kong.Description("Builds what Cairn ships."), kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(k.Run(slog.New(slog.NewTextHandler(os.Stderr, nil))))
}
