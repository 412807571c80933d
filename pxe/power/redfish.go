package power

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/schemas"
)

// answerTime bounds one question to a BMC: they are slow, and reboot.
const answerTime = 90 * time.Second

type redfish struct {
	client *gofish.APIClient
	target Target
}

func openRedfish(ctx context.Context, t Target, password string) (BMC, error) {
	want, err := hex.DecodeString(strings.TrimPrefix(t.CA, "sha256:"))
	if err != nil || len(want) != sha256.Size {
		return nil, fmt.Errorf("bmc.ca is %q; allowed: sha256: and the 64 hex digits of the fingerprint of the BMC's certificate", t.CA)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, // the fingerprint is checked instead: a BMC's certificate is its own
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("the BMC shows no certificate")
			}
			sum := sha256.Sum256(s.PeerCertificates[0].Raw)
			if !slices.Equal(sum[:], want) {
				return fmt.Errorf("the BMC's certificate has the fingerprint sha256:%x, and bmc.ca is %s", sum, t.CA)
			}
			return nil
		}}
	c, err := gofish.ConnectContext(ctx, gofish.ClientConfig{Endpoint: "https://" + t.Address, Username: t.User, Password: password,
		HTTPClient: &http.Client{Timeout: answerTime, Transport: &http.Transport{TLSClientConfig: conf}}, NoModifyTransport: true})
	if err != nil {
		return nil, fmt.Errorf("BMC %s: %w", t.Address, explain(err))
	}
	return &redfish{c, t}, nil
}

// explain says what people can do about an error of the library.
func explain(err error) error {
	var e *schemas.Error
	var n net.Error
	switch {
	case errors.As(err, &e) && (e.HTTPReturnedStatusCode == http.StatusUnauthorized || e.HTTPReturnedStatusCode == http.StatusForbidden):
		return errors.New("it refuses the user or the password; check bmc.user and bmc.password_file")
	case errors.As(err, &n) && n.Timeout():
		return fmt.Errorf("it does not answer; check bmc.address and the cable: %w", err)
	}
	return err
}

// system is the one computer that the BMC manages.
func (r *redfish) system(ctx context.Context) (*schemas.ComputerSystem, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all, err := r.client.Service.Systems()
	if err != nil {
		return nil, fmt.Errorf("BMC %s: %w", r.target.Address, explain(err))
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("BMC %s manages %d systems; allowed: 1", r.target.Address, len(all))
	}
	return all[0], nil
}

func (r *redfish) State(ctx context.Context) (string, error) {
	s, err := r.system(ctx)
	if err != nil {
		return "", err
	}
	return strings.ToLower(string(s.PowerState)), nil
}

func (r *redfish) Do(ctx context.Context, a Action) error {
	s, err := r.system(ctx)
	if err != nil {
		return err
	}
	on := s.PowerState == schemas.OnPowerState
	if a == On && on || (a == Off || a == Stop) && s.PowerState == schemas.OffPowerState {
		return nil // it is so already
	}
	kinds := map[Action][]schemas.ResetType{
		On: {schemas.OnResetType, schemas.ForceOnResetType}, Off: {schemas.ForceOffResetType}, Stop: {schemas.GracefulShutdownResetType},
		Reset: {schemas.ForceRestartResetType}, Cycle: {schemas.PowerCycleResetType, schemas.ForceRestartResetType},
	}[a]
	if (a == Reset || a == Cycle) && !on {
		kinds = []schemas.ResetType{schemas.OnResetType, schemas.ForceOnResetType}
	}
	kind, err := r.supported(s, kinds)
	if err != nil {
		return err
	}
	if _, err := s.Reset(kind); err != nil {
		return fmt.Errorf("BMC %s: power %s: %w", r.target.Address, a, explain(err))
	}
	return nil
}

// supported picks the first kind that the BMC says to know. One that says
// nothing is asked for the first.
func (r *redfish) supported(s *schemas.ComputerSystem, kinds []schemas.ResetType) (schemas.ResetType, error) {
	known, err := s.GetSupportedResetTypes()
	if err != nil || len(known) == 0 {
		return kinds[0], nil //nolint:nilerr // older BMCs do not say what they know
	}
	for _, k := range kinds {
		if slices.Contains(known, k) {
			return k, nil
		}
	}
	return "", fmt.Errorf("BMC %s: %w: it knows %v, and %v is needed", r.target.Address, ErrUnsupported, known, kinds)
}

func (r *redfish) BootNext(ctx context.Context, b Boot) error {
	s, err := r.system(ctx)
	if err != nil {
		return err
	}
	source, ok := map[Boot]schemas.BootSource{BootNetwork: schemas.PxeBootSource, BootDisk: schemas.HddBootSource,
		BootCD: schemas.CdBootSource, BootDefault: schemas.NoneBootSource}[b]
	if !ok {
		return fmt.Errorf("what to boot next is %q; allowed: %s, %s, %s, %s", b, BootDefault, BootNetwork, BootDisk, BootCD)
	}
	boot := &schemas.Boot{BootSourceOverrideTarget: source, BootSourceOverrideEnabled: schemas.OnceBootSourceOverrideEnabled}
	if b == BootDefault {
		boot.BootSourceOverrideEnabled = schemas.DisabledBootSourceOverrideEnabled
	}
	if s.Boot.BootSourceOverrideMode != "" && !r.target.Unknown {
		boot.BootSourceOverrideMode = schemas.LegacyBootSourceOverrideMode
		if r.target.UEFI {
			boot.BootSourceOverrideMode = schemas.UEFIBootSourceOverrideMode
		}
	}
	if err := s.SetBoot(boot); err != nil {
		return fmt.Errorf("BMC %s: boot %s next: %w", r.target.Address, b, explain(err))
	}
	return nil
}

// drive is the CD drive of the BMC's virtual media, on the system or on its
// manager.
func (r *redfish) drive(ctx context.Context) (*schemas.VirtualMedia, error) {
	s, err := r.system(ctx)
	if err != nil {
		return nil, err
	}
	media, err := s.VirtualMedia()
	if err != nil || len(media) == 0 {
		managers, merr := s.ManagedBy()
		if merr != nil {
			return nil, fmt.Errorf("BMC %s: virtual media: %w", r.target.Address, explain(merr))
		}
		for _, m := range managers {
			if more, err := m.VirtualMedia(); err == nil {
				media = append(media, more...)
			}
		}
	}
	for _, m := range media {
		if slices.Contains(m.MediaTypes, schemas.CDVirtualMediaType) || slices.Contains(m.MediaTypes, schemas.DVDVirtualMediaType) {
			return m, nil
		}
	}
	return nil, fmt.Errorf("BMC %s: %w: it has no virtual CD drive (some need a licence for it)", r.target.Address, ErrUnsupported)
}

func (r *redfish) Insert(ctx context.Context, url string) error {
	d, err := r.drive(ctx)
	if err != nil {
		return err
	}
	yes := true
	if _, err := d.InsertMedia(&schemas.VirtualMediaInsertMediaParameters{Image: url, Inserted: &yes, WriteProtected: &yes}); err != nil {
		return fmt.Errorf("BMC %s: insert %s: %w", r.target.Address, url, explain(err))
	}
	return nil
}

func (r *redfish) Eject(ctx context.Context) error {
	d, err := r.drive(ctx)
	if err != nil {
		return err
	}
	if _, err := d.EjectMedia(); err != nil {
		return fmt.Errorf("BMC %s: eject: %w", r.target.Address, explain(err))
	}
	return nil
}

// Close ends the session: BMCs allow few of them.
func (r *redfish) Close(context.Context) error {
	r.client.Logout()
	return nil
}
