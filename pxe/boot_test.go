package pxe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/pin/tftp/v3"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

const machineID = "4c4c4544-0044-4810-8031-c4c04f4e3232"

// lease asks for an address the way the client that mods describe does.
func (s *station) lease(t *testing.T, mods ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	var ack *dhcpv4.DHCPv4
	must(t, s.do(func() error {
		c, err := nclient4.New("eth0")
		if err != nil {
			return err
		}
		defer c.Close()
		l, err := c.Request(context.Background(), mods...)
		if err != nil {
			return err
		}
		ack = l.ACK
		return nil
	}))
	a, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok {
		t.Fatalf("no address in %s", ack.Summary())
	}
	ones, _ := ack.SubnetMask().Size()
	s.address(t, netip.PrefixFrom(a, ones))
	return ack
}

func asFirmware(arch iana.Arch) dhcpv4.Modifier {
	return func(d *dhcpv4.DHCPv4) {
		d.UpdateOption(dhcpv4.OptClassIdentifier(fmt.Sprintf("PXEClient:Arch:%05d:UNDI:002001", arch)))
		d.UpdateOption(dhcpv4.OptClientArch(arch))
	}
}

func asIPXE() dhcpv4.Modifier {
	return func(d *dhcpv4.DHCPv4) { d.UpdateOption(dhcpv4.OptUserClass("iPXE")) }
}

func (s *station) tftp(t *testing.T, server, name string) []byte {
	t.Helper()
	var buf bytes.Buffer
	must(t, s.do(func() error {
		c, err := tftp.NewClient(server + ":69")
		if err != nil {
			return err
		}
		c.SetBlockSize(1428)
		c.RequestTSize(true)
		r, err := c.Receive(name, "octet")
		if err != nil {
			return err
		}
		_, err = r.WriteTo(&buf)
		return err
	}))
	return buf.Bytes()
}

func (s *station) client(conf *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: s.dial, TLSClientConfig: conf, DisableKeepAlives: true}}
}

func (s *station) get(t *testing.T, url string) []byte {
	t.Helper()
	res, err := s.client(nil).Get(url)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", url, res.Status, b)
	}
	return b
}

// status gets a page, whatever it is.
func (s *station) status(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := s.client(nil).Get(url)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(b)
}

// call speaks JSON to the API and returns the status.
func call(t *testing.T, c *http.Client, method, url, ticket string, in, out any) (int, string) {
	t.Helper()
	body, err := json.Marshal(in)
	must(t, err)
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	must(t, err)
	if ticket != "" {
		req.Header.Set("Authorization", "Bearer "+ticket)
	}
	res, err := c.Do(req)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode < 300 && out != nil {
		must(t, json.Unmarshal(b, out))
	}
	return res.StatusCode, string(b)
}

// pinned trusts the CA with the fingerprint of the kernel line alone, the way
// the installer does: that CA, and a certificate of it for a deployer.
func pinned(fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // checked below instead
		VerifyConnection: func(s tls.ConnectionState) error {
			roots := x509.NewCertPool()
			for _, c := range s.PeerCertificates {
				if pki.Fingerprint(c) == fingerprint {
					roots.AddCert(c)
				}
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: serverName})
			return err
		},
	}
}

// param finds a parameter on a script's kernel line.
func param(t *testing.T, script, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^kernel .*\b` + regexp.QuoteMeta(name) + `=(\S+)`).FindStringSubmatch(script)
	if m == nil {
		t.Fatalf("no %s in\n%s", name, script)
	}
	return m[1]
}

// TestMachineBootsInstallsAndStaysInstalled goes the whole way of a machine
// over a real (virtual) wire: firmware, loader, iPXE, script, kernel,
// installer's API, enrolment, and then its disk.
func TestMachineBootsInstallsAndStaysInstalled(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	kernel := bytes.Repeat([]byte("kernel"), 1000)
	_, state := startDeployer(t, kernel, nil)
	s := newStation(t, br, 1)

	offer := s.lease(t, asFirmware(iana.INTEL_X86PC))
	if offer.BootFileName != "undionly.kpxe" {
		t.Errorf("BIOS is told to load %q, want undionly.kpxe", offer.BootFileName)
	}
	want, err := os.ReadFile("/usr/lib/ipxe/undionly.kpxe")
	must(t, err)
	if got := s.tftp(t, offer.ServerIPAddr.String(), offer.BootFileName); !bytes.Equal(got, want) {
		t.Errorf("TFTP gave %d bytes, want the %d of the loader", len(got), len(want))
	}

	url := s.lease(t, asFirmware(iana.INTEL_X86PC), asIPXE()).BootFileName
	first := string(s.get(t, url))
	if !strings.Contains(first, "chain --replace") {
		t.Errorf("the first script does not chain:\n%s", first)
	}
	url += "&uuid=" + machineID + "&platform=pcbios"
	script := string(s.get(t, url))
	if got := s.get(t, "http://10.20.0.11:8080/image/vmlinuz"); !bytes.Equal(got, kernel) {
		t.Errorf("got a kernel of %d bytes, want %d", len(got), len(kernel))
	}

	c, ticket := s.enrol(t, script)
	base := "https://10.20.0.11:8443/v1/machines/" + machineID
	if code, text := call(t, c, "POST", base+"/inventory", ticket, machineInventory(s), nil); code != 401 {
		t.Errorf("the used ticket: %d %s, want 401", code, text)
	}
	s.lease(t, asFirmware(iana.INTEL_X86PC), asIPXE())
	if again := string(s.get(t, url)); !strings.Contains(again, "sanboot") || strings.Contains(again, plan.ParamTicket) {
		t.Errorf("the installed machine gets this script:\n%s", again)
	}

	code, text := call(t, c, "GET", "https://10.20.0.11:8443/v1/machines", ticket, nil, nil)
	if code != 403 {
		t.Errorf("the list of machines without a certificate: %d %s, want 403", code, text)
	}
	machines := operatorList(t, s, state)
	if len(machines) != 1 || machines[0].State != fleet.Enrolled || machines[0].Name != "compute1" {
		t.Errorf("the operator sees %+v, want compute1, enrolled", machines)
	}
}

// inventory sends one, and returns what the deployer says to it.
func (s *station) inventory(t *testing.T, script string) (answer plan.Answer) {
	t.Helper()
	c := s.client(pinned(param(t, script, plan.ParamCA)))
	code, text := call(t, c, "POST", "https://10.20.0.11:8443/v1/machines/"+machineID+"/inventory", param(t, script, plan.ParamTicket), machineInventory(s), &answer)
	if code != 200 {
		t.Fatalf("inventory: %d %s", code, text)
	}
	return answer
}

// enrol is what an installer says to the deployer of its script, to its end.
func (s *station) enrol(t *testing.T, script string) (*http.Client, string) {
	t.Helper()
	ticket := param(t, script, plan.ParamTicket)
	c := s.client(pinned(param(t, script, plan.ParamCA)))
	base := "https://10.20.0.11:8443/v1/machines/" + machineID
	var answer plan.Answer
	if code, text := call(t, c, "POST", base+"/inventory", ticket, machineInventory(s), &answer); code != 200 || answer.Plan == nil {
		t.Fatalf("inventory: %d %s", code, text)
	}
	if code, text := call(t, c, "POST", base+"/progress", ticket, plan.Progress{Phase: "write", Done: 1, Total: 2}, nil); code != 204 {
		t.Fatalf("progress: %d %s", code, text)
	}
	_, csr, err := pki.NewRequest()
	must(t, err)
	var e plan.Enrolment
	if code, text := call(t, c, "POST", base+"/enrol", ticket, plan.EnrolRequest{CSR: string(csr)}, &e); code != 200 {
		t.Fatalf("enrol: %d %s", code, text)
	}
	must(t, e.Node.Check())
	if code, text := call(t, c, "POST", base+"/progress", ticket, plan.Progress{Phase: fleet.PhaseHandover}, nil); code != 204 {
		t.Fatalf("progress: %d %s", code, text)
	}
	return c, ticket
}

// install goes from power-on to enrolled by the shortest way.
func (s *station) install(t *testing.T) {
	t.Helper()
	url := s.lease(t, asFirmware(iana.INTEL_X86PC), asIPXE()).BootFileName
	s.enrol(t, string(s.get(t, url+"&uuid="+machineID+"&platform=pcbios")))
}

func machineInventory(s *station) plan.Inventory {
	return plan.Inventory{Machine: machineID, Firmware: "bios", CPUs: 2, MemoryMiB: 2048, BootMAC: s.mac.String(),
		Disks: []plan.Disk{{Path: "/dev/vda", Size: 20 << 30}},
		NICs:  []plan.NIC{{Name: "eth0", MAC: s.mac.String(), Link: true}, {Name: "eth1", MAC: "52:54:00:00:01:01"}}}
}

// operatorList asks as an operator does, with a certificate of the CA.
func operatorList(t *testing.T, s *station, state string) []fleet.Machine {
	t.Helper()
	var list struct{ Machines []fleet.Machine }
	operatorGet(t, s, state, "/v1/machines", &list)
	return list.Machines
}

func operatorGet(t *testing.T, s *station, state, path string, out any) string {
	t.Helper()
	s.address(t, netip.MustParsePrefix("10.20.0.99/24"))
	ca, err := pki.OpenCA(filepath.Join(state, "pki"))
	must(t, err)
	pair, err := ca.IssueService("operator")
	must(t, err)
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate())
	c := s.client(&tls.Config{RootCAs: pool, ServerName: serverName, Certificates: []tls.Certificate{cert}})
	code, text := call(t, c, "GET", "https://10.20.0.11:8443"+path, "", nil, out)
	if code != 200 {
		t.Fatalf("%s: %d %s", path, code, text)
	}
	return text
}
