package scale

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"github.com/insomniacslk/dhcp/iana"
)

// A machine is one that boots.
type machine struct {
	number int
	wire   *wire
	own    func(netip.Addr) error // makes the address one of this host's

	address netip.Addr
	name    string // that its plan has
	booted  time.Duration
	planned time.Duration
}

func (m *machine) mac() net.HardwareAddr {
	return net.HardwareAddr{0x52, 0x54, 0x01, 0, byte(m.number >> 8), byte(m.number)}
}

func (m *machine) uuid() string { return fmt.Sprintf("5ca1e000-0000-4000-8000-%012x", m.number+1) }

// arch is BIOS for three of four machines.
func (m *machine) arch() (iana.Arch, string) {
	if m.number%4 == 3 {
		return iana.EFI_X86_64, "efi"
	}
	return iana.INTEL_X86PC, "pcbios"
}

// boot goes from power-on to a plan.
func (m *machine) boot(ctx context.Context, began time.Time) error {
	arch, platform := m.arch()
	ack, address, err := m.wire.lease(ctx, m.mac(), firmware(arch))
	if err != nil {
		return fmt.Errorf("firmware: %w", err)
	}
	m.address, m.booted = address, time.Since(began)
	if err := m.own(address); err != nil {
		return err
	}
	server, ok := netip.AddrFromSlice(ack.ServerIPAddr.To4())
	if !ok {
		return fmt.Errorf("firmware: no server in %s", ack.Summary())
	}
	if n, err := fetch(ctx, address, server, ack.BootFileName); err != nil || n == 0 {
		return fmt.Errorf("loader %s of %d bytes: %w", ack.BootFileName, n, err)
	}
	ack, again, err := m.wire.lease(ctx, m.mac(), ipxe(arch))
	if err != nil {
		return fmt.Errorf("iPXE: %w", err)
	}
	if again != address {
		return fmt.Errorf("iPXE got %s after the firmware had %s", again, address)
	}
	script, err := m.get(ctx, ack.BootFileName+"&uuid="+m.uuid()+"&platform="+platform)
	if err != nil {
		return fmt.Errorf("script: %w", err)
	}
	for _, file := range []string{"vmlinuz", "initramfs"} {
		if _, err := m.get(ctx, "http://"+server.String()+":8080/image/"+file); err != nil {
			return err
		}
	}
	if _, _, err := m.wire.lease(ctx, m.mac(), installer); err != nil {
		return fmt.Errorf("installer: %w", err)
	}
	if err := m.plan(ctx, server, string(script)); err != nil {
		return err
	}
	m.planned = time.Since(began)
	return nil
}

func (m *machine) client(conf *tls.Config) *http.Client {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: m.address.AsSlice()}}
	return &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DialContext: d.DialContext, TLSClientConfig: conf, DisableKeepAlives: true}}
}

func (m *machine) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return do(m.client(nil), req)
}

func do(c *http.Client, req *http.Request) ([]byte, error) {
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, b)
	}
	return b, err
}

// plan sends the inventory and waits for the plan.
func (m *machine) plan(ctx context.Context, server netip.Addr, script string) error {
	ticket, err := param(script, "cairn.ticket")
	if err != nil {
		return err
	}
	ca, err := param(script, "cairn.ca")
	if err != nil {
		return err
	}
	c := m.client(pinned(ca))
	method, path, body := http.MethodPost, "/inventory", m.inventory()
	for {
		req, err := http.NewRequestWithContext(ctx, method, "https://"+net.JoinHostPort(server.String(), "8443")+"/v1/machines/"+m.uuid()+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+ticket)
		raw, err := do(c, req)
		if err != nil {
			return err
		}
		var answer struct {
			Wait, Refused string
			Plan          *struct {
				HostName string `json:"host_name"`
			}
		}
		if err := json.Unmarshal(raw, &answer); err != nil {
			return fmt.Errorf("answer %s: %w", raw, err)
		}
		switch {
		case answer.Plan != nil:
			m.name = answer.Plan.HostName
			return nil
		case answer.Refused != "":
			return fmt.Errorf("refused: %s", answer.Refused)
		}
		method, path, body = http.MethodGet, "/plan", nil
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w", answer.Wait, context.Cause(ctx))
		case <-time.After(3 * time.Second):
		}
	}
}

// inventory is that of a server with many parts, as installers send it.
func (m *machine) inventory() []byte {
	var disks, nics []map[string]any
	for i := range 12 {
		disks = append(disks, map[string]any{"path": fmt.Sprintf("/dev/sd%c", 'a'+i), "size": int64(960+i) << 30, "model": "SCALE SSD",
			"serial": fmt.Sprintf("S%05d%02d", m.number, i), "bus": "scsi"})
	}
	for i := range 4 {
		mac := bytes.Clone(m.mac())
		mac[3] = byte(i)
		nics = append(nics, map[string]any{"name": fmt.Sprint("eth", i), "mac": net.HardwareAddr(mac).String(), "link": true, "speed_mbps": 25000,
			"lldp": map[string]any{"switch": fmt.Sprintf("tor-%d", m.number/40), "port": fmt.Sprint("Ethernet", m.number%40)}})
	}
	b, err := json.Marshal(map[string]any{"machine": m.uuid(), "serial": fmt.Sprintf("SC%06d", m.number), "vendor": "ACME", "product": "R640",
		"firmware": "bios", "cpus": 64, "cpu_model": "ACME CPU", "virt": "vmx", "memory_mib": 262144, "disks": disks, "nics": nics, "boot_mac": m.mac().String()})
	if err != nil {
		panic(err) // maps of plain values
	}
	return b
}

func param(script, name string) (string, error) {
	found := regexp.MustCompile(`(?m)^kernel .*\b` + regexp.QuoteMeta(name) + `=(\S+)`).FindStringSubmatch(script)
	if found == nil {
		return "", fmt.Errorf("no %s in the script:\n%s", name, script)
	}
	return found[1], nil
}

// pinned believes the CA with that fingerprint, and a deployer's certificate
// of it.
func pinned(fingerprint string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, // checked below instead
		VerifyConnection: func(s tls.ConnectionState) error {
			roots := x509.NewCertPool()
			for _, c := range s.PeerCertificates {
				if sum := sha256.Sum256(c.Raw); "sha256:"+hex.EncodeToString(sum[:]) == fingerprint {
					roots.AddCert(c)
				}
			}
			if len(s.PeerCertificates) == 0 {
				return errors.New("no certificate")
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: "deployer"})
			return err
		}}
}
