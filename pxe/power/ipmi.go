package power

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"
	"github.com/bougou/go-ipmi/pkg/types"
)

// ipmiPort is that of RMCP+ (IPMI 2.0, 13.1.2).
const ipmiPort = 623

type ipmi struct {
	client *client.Client
	target Target
}

// openIPMI logs in with a cipher suite that authenticates and encrypts.
// Suite 0, which asks for no password at all, is never offered.
func openIPMI(ctx context.Context, t Target, password string) (BMC, error) {
	host, port := t.Address, ipmiPort
	if h, p, err := net.SplitHostPort(t.Address); err == nil {
		n, err := strconv.Atoi(p)
		if err != nil {
			return nil, fmt.Errorf("bmc.address is %q; allowed: a host, or a host and a port", t.Address)
		}
		host, port = h, n
	}
	c, err := client.NewClient(host, port, t.User, password)
	if err != nil {
		return nil, fmt.Errorf("BMC %s: %w", t.Address, err)
	}
	c.WithInterface(client.InterfaceLanplus).WithCipherSuiteID(types.CipherSuiteID17, types.CipherSuiteID3)
	if err := c.Connect(ctx); err != nil {
		return nil, fmt.Errorf("BMC %s: %w", t.Address, ipmiError(err, password))
	}
	return &ipmi{c, t}, nil
}

// ipmiError keeps the password out of what a library says.
func ipmiError(err error, password string) error {
	if password != "" && strings.Contains(err.Error(), password) {
		return fmt.Errorf("it does not let us in; check bmc.user and bmc.password_file")
	}
	return err
}

func (i *ipmi) State(ctx context.Context) (string, error) {
	s, err := i.client.GetChassisStatus(ctx)
	if err != nil {
		return "", fmt.Errorf("BMC %s: %w", i.target.Address, err)
	}
	if s.PowerIsOn {
		return "on", nil
	}
	return "off", nil
}

func (i *ipmi) Do(ctx context.Context, a Action) error {
	state, err := i.State(ctx)
	if err != nil {
		return err
	}
	if a == On && state == "on" || (a == Off || a == Stop) && state == "off" {
		return nil // it is so already
	}
	control := map[Action]chassis.ChassisControl{On: chassis.ChassisControlPowerUp, Off: chassis.ChassisControlPowerDown,
		Stop: chassis.ChassisControlSoftShutdown, Reset: chassis.ChassisControlHardReset, Cycle: chassis.ChassisControlPowerCycle}[a]
	if (a == Reset || a == Cycle) && state == "off" {
		control = chassis.ChassisControlPowerUp
	}
	if _, err := i.client.ChassisControl(ctx, control); err != nil {
		return fmt.Errorf("BMC %s: power %s: %w", i.target.Address, a, err)
	}
	return nil
}

func (i *ipmi) BootNext(ctx context.Context, b Boot) error {
	selector, ok := map[Boot]types.BootDeviceSelector{BootDefault: types.BootDeviceSelectorNoOverride, BootNetwork: types.BootDeviceSelectorForcePXE,
		BootDisk: types.BootDeviceSelectorForceHardDrive, BootCD: types.BootDeviceSelectorForceCDROM}[b]
	if !ok {
		return fmt.Errorf("what to boot next is %q; allowed: %s, %s, %s, %s", b, BootDefault, BootNetwork, BootDisk, BootCD)
	}
	if err := i.client.SetBootDevice(ctx, selector, types.BIOSBootType(i.target.UEFI), false); err != nil {
		return fmt.Errorf("BMC %s: boot %s next: %w", i.target.Address, b, err)
	}
	return nil
}

// Insert is not in IPMI.
func (i *ipmi) Insert(context.Context, string) error {
	return fmt.Errorf("BMC %s: %w: IPMI has no virtual media; use Redfish", i.target.Address, ErrUnsupported)
}

// Eject is not in IPMI.
func (i *ipmi) Eject(ctx context.Context) error { return i.Insert(ctx, "") }

func (i *ipmi) Close(ctx context.Context) error {
	if err := i.client.Close(ctx); err != nil {
		return fmt.Errorf("BMC %s: %w", i.target.Address, err)
	}
	return nil
}
