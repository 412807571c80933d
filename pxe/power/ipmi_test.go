package power

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/types"
)

// ipmiBMC serves RMCP+ on the loopback, over a chassis in memory.
func ipmiBMC(t *testing.T) (Target, *mock.Chassis) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hal := mock.New()
	b := bmc.New(bmc.DeviceInfo{}, [16]byte{1}, hal)
	u, err := b.Users.Add(2, user)
	if err != nil {
		t.Fatal(err)
	}
	u.SetPassword([]byte(password))
	u.Enabled = true
	u.ChannelAccess[1] = bmc.UserChannelAccess{MaxPrivilege: bmc.PrivilegeLevelAdministrator, Enabled: true}
	s := server.NewServer(b, conn)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(context.Background()) }() // ends with Close
	t.Cleanup(func() { _ = s.Close(); <-done })
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	chassis, ok := hal.Chassis().(*mock.Chassis)
	if !ok {
		t.Fatal("the chassis is not the one in memory")
	}
	return Target{Protocol: ProtocolIPMI, Address: conn.LocalAddr().String(), User: user, PasswordFile: file, UEFI: true}, chassis
}

func TestIPMI(t *testing.T) {
	target, chassis := ipmiBMC(t)
	b, err := Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		do   Action
		want string
	}{{Off, "off"}, {On, "on"}, {On, "on"}, {Reset, "on"}, {Cycle, "on"}, {Off, "off"}, {Reset, "on"}} {
		if err := b.Do(t.Context(), step.do); err != nil {
			t.Errorf("%s: %v", step.do, err)
		}
		if s, err := b.State(t.Context()); s != step.want || err != nil {
			t.Errorf("after %s: %q, %v", step.do, s, err)
		}
	}
	if chassis.ColdResets != 1 || chassis.PowerCycles != 1 {
		t.Errorf("%d resets and %d cycles; want one each: a machine that is off is switched on instead", chassis.ColdResets, chassis.PowerCycles)
	}
	if err := b.BootNext(t.Context(), BootNetwork); err != nil {
		t.Error(err)
	}
	if f := chassis.BootFlags; f == nil || f.BootDeviceSelector != types.BootDeviceSelectorForcePXE || f.Persist {
		t.Errorf("boot flags %+v", f)
	}
	if err := b.Insert(t.Context(), "http://x/y.iso"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("virtual media over IPMI: %v", err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestIPMIRefusesAWrongPassword(t *testing.T) {
	target, _ := ipmiBMC(t)
	target.PasswordFile = filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(target.PasswordFile, []byte("wrong-word"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), target); err == nil || strings.Contains(err.Error(), "wrong-word") {
		t.Errorf("got %v", err)
	}
}
