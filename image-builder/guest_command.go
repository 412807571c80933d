package imagebuilder

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/cairn-cloud/cairn/image-builder/guest"
	"github.com/cairn-cloud/cairn/image-builder/rootfs"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// GuestCommand is cairn-build guest. Its kernel is the one of the image.
type GuestCommand struct {
	Command `embed:""`
}

// Run builds the guest images to out/guest.
func (c *GuestCommand) Run(ctx context.Context, log *slog.Logger) error {
	if err := tool.Need(programs); err != nil {
		return err
	}
	b := newBuild(&c.Command, log)
	release, err := tool.Lock(b.cache)
	if err != nil {
		return err
	}
	defer release() //nolint:errcheck // the lock ends with the process at the latest
	if err := b.packages(ctx); err != nil {
		return err
	}
	init := filepath.Join(b.cache, "guest-init")
	if err := BuildProgram(ctx, c.Source, "./image-builder/guest/init", init); err != nil {
		return err
	}
	return guest.Build(ctx, guest.Options{
		Out: filepath.Join(c.Out, "guest"), Init: init, Kernel: b.kernel.Image(), Modules: b.kernel.Modules(),
		Epoch: rootfs.Epoch, Log: log,
	})
}
