package netboot

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// nodeAddress is what the first machine gets, for good.
const nodeAddress = "10.20.0.100"

// tenantVLANs are the project networks.
func tenantVLANs() []int {
	var list []int
	for v := 100; v < 200; v++ {
		list = append(list, v)
	}
	return list
}

// TestANodeOnABond installs a compute node over one card, which comes up on a
// bond of two with management and the project networks on it, and loses one
// link after the other. A machine that comes later is checked against it. The
// lab's switch speaks no LACP: bonds of that kind are tested between kernels,
// in installer/network.
func TestANodeOnABond(t *testing.T) {
	dir := release(t)
	if !inNamespace(t) {
		return
	}
	s := network(t)
	key := newKey(t)
	l := deploy(t, append(consoleArgs(), "--release", dir, "--rack", rackWith(t, key.line, "management: {controller: "+laptopAddress+"}\n"+
		"rules: [{roles: [compute], match: {where: {nics: '= 2'}}, nics: {bond: active-backup}}, {roles: [compute], name: late, host: late}]\n"))...)
	b := listenAsBroker(t, l)
	c := powered(t, s, setup{firmware: machine.BIOS, memoryMiB: 1024, disk: true, cards: []fabric.PortConfig{
		{Name: "machine/1", Native: managementVLAN, Trunk: tenantVLANs()},
		{Name: "machine/2", Native: managementVLAN, Trunk: tenantVLANs()},
	}})
	l.wait(t, quiet, c, "machine enrolled", machineID)
	c.console.wait(t, quiet, c, "log in: ssh")
	b.isCalled(t, c)
	c.answers(t)
	key.sees(t, c, "cat /proc/net/bonding/mgmt0", "fault-tolerance (active-backup)")
	key.sees(t, c, "ls /sys/class/net", "br-tenant") // the agent has made its switch, and we are still here
	for i, p := range c.ports {
		p.SetFault(fabric.Fault{Down: true})
		c.answers(t)
		t.Logf("it answers without the link of card %d", i)
		p.SetFault(fabric.Fault{})
		c.answers(t)
	}
	comesLate(t, s, l)
}

// comesLate boots a second machine, with a VLAN missing on its switch port,
// when a first one runs. It is alone in waiting, and yet waits until the VLAN
// is there.
func comesLate(t *testing.T, s *fabric.Switch, l *laptop) {
	t.Helper()
	c := powered(t, s, setup{firmware: machine.BIOS, memoryMiB: 1024, disk: true, late: true, cards: []fabric.PortConfig{
		{Name: "late/1", Native: managementVLAN, Trunk: tenantVLANs()},
	}})
	c.ports[0].SetFault(fabric.Fault{Missing: []int{137}})
	l.wait(t, quiet, c, "fabric check starts", "machines=2", "nodes=1")
	l.wait(t, quiet, c, "fault=true", "VLAN 137 does not pass between late", "late/1)")
	c.ports[0].SetFault(fabric.Fault{})
	l.wait(t, quiet, c, "machine may be installed", lateID)
}

// TestANodeWithTaggedManagement installs a compute node with one card, whose
// management network is VLAN 20 on it, beside those of the projects.
func TestANodeWithTaggedManagement(t *testing.T) {
	dir := release(t)
	if !inNamespace(t) {
		return
	}
	loaders, err := filepath.Abs("../../out/cache/debian/usr/lib/ipxe")
	must(t, err)
	s := fabric.New("lab")
	cable(t, s, laptopNIC, laptopAddress+"/24", fabric.PortConfig{Name: "laptop", Access: 20})
	cable(t, s, "port0", hardening.BootAddress, fabric.PortConfig{Name: "laptop untagged", Access: 1})
	key := newKey(t)
	l := deploy(t, append(consoleArgs(), "--release", dir, "--loaders", loaders, "--rack", rackWith(t, key.line, "management: {vlan: 20, controller: "+laptopAddress+"}\n"))...)
	b := listenAsBroker(t, l)
	c := powered(t, s, setup{firmware: machine.BIOS, memoryMiB: 1024, disk: true, cards: []fabric.PortConfig{
		{Name: "machine", Native: 1, Trunk: append(tenantVLANs(), 20)},
	}})
	l.wait(t, quiet, c, "machine enrolled", machineID)
	c.console.wait(t, quiet, c, "log in: ssh")
	b.isCalled(t, c)
	c.answers(t)
	key.sees(t, c, "cat /proc/net/vlan/mgmt0", "VID: 20")
	key.sees(t, c, "ls /sys/class/net", "br-tenant") // the agent has made its switch, and we are still here
}

// A key is an operator's.
type key struct {
	line   string // as in rack.yaml
	signer ssh.Signer
}

func newKey(t *testing.T) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	must(t, err)
	return key{string(ssh.MarshalAuthorizedKey(signer.PublicKey())), signer}
}

// sees runs a command on the node until it prints a word.
func (k key) sees(t *testing.T, c *computer, command, word string) {
	t.Helper()
	c.until(t, func() error {
		out, err := k.run(command)
		if err == nil && !strings.Contains(out, word) {
			err = fmt.Errorf("%s prints %q; want %q", command, out, word)
		}
		return err
	})
}

func (k key) run(command string) (string, error) {
	client, err := ssh.Dial("tcp4", nodeAddress+":22", &ssh.ClientConfig{User: "cairn", Timeout: time.Minute,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(k.signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}) //nolint:gosec // nobody else is on this wire
	if err != nil {
		return "", err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.CombinedOutput(command)
	return string(out), err
}

// answers waits until the node's SSH server says its name.
func (c *computer) answers(t *testing.T) {
	t.Helper()
	c.until(t, func() error {
		conn, err := net.DialTimeout("tcp4", nodeAddress+":22", 10*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "SSH-2.0-") {
			err = fmt.Errorf("it says %q", line)
		}
		return err
	})
}

// until tries again until it works, unless the machine has done nothing for
// long.
func (c *computer) until(t *testing.T, try func() error) {
	t.Helper()
	for worked := time.Now(); ; time.Sleep(time.Second) {
		err := try()
		if err == nil {
			return
		}
		if c.works(t) {
			worked = time.Now()
		}
		if time.Since(worked) > quiet {
			t.Fatalf("the machine has done nothing for %s: %v", quiet, err)
		}
	}
}

// A broker is where a controller's would be, and hears who calls.
type broker struct{ called chan string }

// listenAsBroker listens where the rack's controller would, which is the laptop.
func listenAsBroker(t *testing.T, l *laptop) *broker {
	t.Helper()
	ca, err := pki.OpenCA(filepath.Join(l.state, "pki"))
	must(t, err)
	pair, err := ca.IssuePeer([]string{"rabbitmq"}, []netip.Addr{netip.MustParseAddr(laptopAddress)})
	must(t, err)
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate())
	listener, err := tls.Listen("tcp4", laptopAddress+":5671", &tls.Config{MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	b := &broker{called: make(chan string, 100)}
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go b.greet(conn.(*tls.Conn))
		}
	}()
	return b
}

// greet notes who calls, by certificate and address, and hangs up.
func (b *broker) greet(conn *tls.Conn) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(time.Minute)) != nil || conn.Handshake() != nil {
		return
	}
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		return
	}
	select {
	case b.called <- conn.ConnectionState().PeerCertificates[0].Subject.CommonName + " at " + host:
	default: // enough are noted
	}
}

// isCalled waits until the node's agent has called.
func (b *broker) isCalled(t *testing.T, c *computer) {
	t.Helper()
	for {
		select {
		case who := <-b.called:
			if !strings.HasPrefix(who, "node-") || !strings.HasSuffix(who, " at "+nodeAddress) {
				t.Errorf("%s called the broker; want the node at %s", who, nodeAddress)
			}
			return
		case <-time.After(quiet):
			if !c.works(t) {
				t.Fatal("the node's agent does not call the broker, and the node does nothing")
			}
		}
	}
}
