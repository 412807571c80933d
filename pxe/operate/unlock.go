package operate

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"

	"github.com/cairn-cloud/cairn/pxe/fleet"
)

type lockCommand struct {
	Machines []string `arg:"" name:"machine" help:"Ids, MAC addresses or host names."`
}

// Run withdraws the key of one after the other.
func (c *lockCommand) Run(ctx context.Context, of *Command, _ *slog.Logger) error {
	return tell(ctx, of, c.Machines, "lock", "gets its key no more: what runs goes on, and after its next start it waits")
}

type unlockCommand struct {
	Machines []string `arg:"" name:"machine" help:"Ids, MAC addresses or host names."`
}

// Run gives the key of one after the other again.
func (c *unlockCommand) Run(ctx context.Context, of *Command, _ *slog.Logger) error {
	return tell(ctx, of, c.Machines, "unlock", "gets its key when it asks")
}

type recoveryCommand struct {
	Machine string `arg:"" help:"Id, MAC address or host name."`
}

// Run prints the key, and how it is used.
func (c *recoveryCommand) Run(ctx context.Context, of *Command, _ *slog.Logger) error {
	client, err := Open(of.Dir, of.Deployer)
	if err != nil {
		return err
	}
	k, err := client.Recovery(ctx, c.Machine)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "opens volume %s and the data disks of %s, as a passphrase: cryptsetup open UUID=%s data\n", k.LUKS, c.Machine, k.LUKS)
	_, err = fmt.Fprintln(os.Stdout, k.Key)
	return err
}

// Recovery is the recovery key of a machine's data.
func (c *Client) Recovery(ctx context.Context, id string) (k fleet.RecoveryKey, err error) {
	return k, c.do(ctx, http.MethodPost, "/v1/machines/"+url.PathEscape(id)+"/recovery-key", nil, &k)
}
