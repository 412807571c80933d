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
