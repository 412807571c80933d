package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// The images that servers are made of.
const (
	imageQEMU = "guest"
	imageLXC  = "guest-lxc"
)

// uploadImages uploads the guest as kernel, ramdisk and disk for QEMU, and as
// a root tree for LXC.
func (t *Trial) uploadImages(ctx context.Context) error {
	if err := t.open(ctx); err != nil {
		return err
	}
	for _, part := range []string{"aki", "ari"} {
		if err := t.upload(ctx, "guest-"+part, part, images.CreateOpts{DiskFormat: part, ContainerFormat: part}); err != nil {
			return err
		}
	}
	line, err := os.ReadFile(filepath.Join(t.guest, "cmdline"))
	if err != nil {
		return fmt.Errorf("%w: %w; `make guest` makes the guest images", errVerdict, err)
	}
	err = t.upload(ctx, imageQEMU, "ami", images.CreateOpts{DiskFormat: "ami", ContainerFormat: "ami", Properties: map[string]string{
		"kernel_id": t.images["guest-aki"], "ramdisk_id": t.images["guest-ari"], "os_command_line": strings.TrimSpace(string(line)),
	}})
	if err != nil {
		return err
	}
	return t.upload(ctx, imageLXC, "lxc.tar.zst", images.CreateOpts{
		DiskFormat: "raw", ContainerFormat: "bare", Properties: map[string]string{"img_hv_type": "lxc"},
	})
}

func (t *Trial) open(ctx context.Context) (err error) {
	if t.admin == nil {
		t.admin, err = t.login.open(ctx)
	}
	return err
}

// upload makes an image and gives it its data, unless that was done.
func (t *Trial) upload(ctx context.Context, name, file string, o images.CreateOpts) error {
	if t.images[name] != "" {
		return nil
	}
	f, err := os.Open(filepath.Join(t.guest, file))
	if err != nil {
		return fmt.Errorf("%w: %w; `make guest` makes the guest images", errVerdict, err)
	}
	defer f.Close()
	public := images.ImageVisibilityPublic
	o.Name, o.Visibility = name, &public
	list, err := things(ctx, t.admin.image, "images", name)
	if err != nil {
		return err
	}
	for _, old := range list {
		if old.Status == string(images.ImageStatusActive) {
			t.images[name] = old.ID
			return nil
		}
		if err := images.Delete(ctx, t.admin.image, old.ID).ExtractErr(); err != nil {
			return fmt.Errorf("delete image %s, which is %s: %w", name, old.Status, err)
		}
	}
	image, err := images.Create(ctx, t.admin.image, o).Extract()
	if err != nil {
		return fmt.Errorf("create image %s: %w", name, err)
	}
	if err := imagedata.Upload(ctx, t.admin.image, image.ID, f).ExtractErr(); err != nil {
		return fmt.Errorf("upload image %s: %w", name, err)
	}
	if image, err = images.Get(ctx, t.admin.image, image.ID).Extract(); err != nil {
		return fmt.Errorf("show image %s: %w", name, err)
	}
	if image.Status != images.ImageStatusActive {
		return fmt.Errorf("%w: image %s is %s after its upload, not active", errVerdict, name, image.Status)
	}
	t.images[name] = image.ID
	return nil
}

// makeFlavor makes the flavor of all servers: as little memory as the guest's
// kernel needs.
func (t *Trial) makeFlavor(ctx context.Context) (err error) {
	disk := 0
	t.flavor, err = once(ctx, t.admin.compute, "flavors", "guest", func() (string, error) {
		f, err := flavors.Create(ctx, t.admin.compute, flavors.CreateOpts{Name: "guest", RAM: 128, VCPUs: 1, Disk: &disk}).Extract()
		return made(f, err).ID, err
	})
	return err
}
