package hardening

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// controllerServices are the services with a client certificate on a
// controller: those with a schema, and the process itself for the broker.
var controllerServices = append([]string{BrokerController}, DatabaseServices...)

func secrets() Control {
	return Control{
		ID: "secrets", Title: "Every server and service of a controller has its own certificate and secret",
		Why:    "made on the machine, from the cluster's CA; nothing that opens anything is in the image",
		Source: "SECURITY.md O10, 2.3; DESIGN.md, Enrolment",
		Roles:  []string{Controller},
		Apply:  inOrder(keepCA, keepCertificates, keepPasswords),
		Check:  checkSecrets,
	}
}

// A holder is a certificate of a controller and the account that may read its
// key.
type holder struct {
	name  string // directory below PKIDir
	owner string
	names []string
	ips   []netip.Addr
	peer  bool // also a client
	serve bool
}

func (t *Target) holders() []holder {
	n := &t.Node
	ips := []netip.Addr{n.management(), netip.MustParseAddr("127.0.0.1")}
	apiNames, apiIPs := n.apiNames()
	list := []holder{
		{name: "mariadb", owner: "mysql", names: []string{"mariadb", n.Name}, ips: ips, serve: true},
		{name: "rabbitmq", owner: "rabbitmq", names: []string{"rabbitmq", n.Name}, ips: ips, serve: true},
		{name: "api", owner: controllerUser, names: apiNames, ips: apiIPs, serve: true},
		{name: "deployer", owner: deployUser, names: []string{"deployer", n.Name}, ips: ips, serve: true, peer: true},
	}
	for _, s := range controllerServices {
		list = append(list, holder{name: s, owner: controllerUser})
	}
	return list
}

// ca opens the cluster's CA. Paths of the pki package are outside the machine's
// root, whose own links we trust here: the data partition is ours.
func (t *Target) ca() (*pki.CA, error) { return pki.OpenCA(filepath.Join(t.Root, PKIDir)) }

// keepCA founds the CA of a new cluster on its first controller, unless the
// installer did.
func keepCA(_ context.Context, t *Target) error {
	ca, err := t.ca()
	if errors.Is(err, fs.ErrNotExist) && t.Node.Controller == t.Node.management() {
		ca, err = pki.FoundCA(filepath.Join(t.Root, PKIDir), t.Node.Cluster)
	}
	if err != nil {
		return err
	}
	key, err := t.read(path.Join(PKIDir, pki.KeyFile))
	if err != nil {
		return err
	}
	return t.write(
		File{Path: path.Join(PKIDir, pki.CertFile), Text: string(ca.PEM())},
		File{Path: path.Join(PKIDir, pki.KeyFile), Text: string(key), Mode: 0o600, Owner: deployUser},
	)
}

// keepCertificates issues what is missing, and what has less than a third of
// its life left or lacks a name.
func keepCertificates(_ context.Context, t *Target) error {
	ca, err := t.ca()
	if err != nil {
		return err
	}
	for _, h := range t.holders() {
		pair, err := h.keep(t, ca)
		if err != nil {
			return fmt.Errorf("certificate of %s: %w", h.name, err)
		}
		dir := path.Join(PKIDir, h.name)
		err = t.write(
			File{Path: dir, Mode: fs.ModeDir | 0o700, Owner: h.owner},
			File{Path: path.Join(dir, pki.PairKey), Text: string(pair.Key), Mode: 0o600, Owner: h.owner},
			File{Path: path.Join(dir, pki.PairCert), Text: string(pair.Cert), Owner: h.owner},
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func (h holder) keep(t *Target, ca *pki.CA) (pki.Pair, error) {
	pair, err := pki.LoadPair(filepath.Join(t.Root, PKIDir, h.name))
	if err == nil && !ca.Renew(pair, h.names, h.ips) {
		return pair, nil
	}
	switch {
	case h.peer:
		return ca.IssuePeer(h.names, h.ips)
	case h.serve:
		return ca.IssueServer(h.names, h.ips)
	default:
		return ca.IssueService(h.name)
	}
}

// databasePassword is the file with the password of a database account.
func databasePassword(account string) string { return secretsDir + "/database/" + account }

// keepPasswords makes the passwords of database accounts that have none.
func keepPasswords(_ context.Context, t *Target) error {
	err := t.write(File{Path: secretsDir + "/database", Mode: fs.ModeDir | 0o700, Owner: controllerUser})
	if err != nil {
		return err
	}
	for _, s := range DatabaseServices {
		for _, account := range []string{s, s + DDLSuffix} {
			if err := t.keepSecret(databasePassword(account), controllerUser); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepSecret makes a random secret of 40 hex digits unless the file has one.
func (t *Target) keepSecret(file, owner string) error {
	text, err := t.secret(file)
	if errors.Is(err, fs.ErrNotExist) {
		random := make([]byte, 20)
		if _, err := rand.Read(random); err != nil {
			return err
		}
		text, err = hex.EncodeToString(random), nil
	}
	if err != nil {
		return err
	}
	return t.write(File{Path: file, Text: text + "\n", Mode: 0o400, Owner: owner})
}

// secret reads a file that keepSecret made. An empty one, from a disk that
// lost power too early, counts as absent.
func (t *Target) secret(file string) (string, error) {
	data, err := t.read(file)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", fmt.Errorf("%s is empty: %w", file, fs.ErrNotExist)
	}
	return text, nil
}

// checkSecrets looks at every key: its mode, its owner, its certificate.
func checkSecrets(_ context.Context, t *Target) []Finding {
	ca, err := t.ca()
	if err != nil {
		return []Finding{{Item: "CA", Found: err.Error(), Wanted: "certificate and key"}}
	}
	findings := []Finding{t.guarded(path.Join(PKIDir, pki.KeyFile), deployUser, 0o600)}
	for _, h := range t.holders() {
		findings = append(findings, t.guarded(path.Join(PKIDir, h.name, pki.PairKey), h.owner, 0o600))
		f := Finding{Item: "certificate " + h.name, Wanted: "valid, from the cluster's CA, with every name"}
		pair, err := pki.LoadPair(filepath.Join(t.Root, PKIDir, h.name))
		switch {
		case err != nil:
			f.Found = err.Error()
		case ca.Renew(pair, h.names, h.ips):
			f.Found = "due to be issued again, which the next boot does"
		default:
			f.Found, f.OK = f.Wanted, true
		}
		findings = append(findings, f)
	}
	for _, s := range DatabaseServices {
		findings = append(findings,
			t.guarded(databasePassword(s), controllerUser, 0o400),
			t.guarded(databasePassword(s+DDLSuffix), controllerUser, 0o400))
	}
	return findings
}

// guarded says whether only the owner can read a file.
func (t *Target) guarded(file, owner string, mode fs.FileMode) Finding {
	f := Finding{Item: file, Wanted: fmt.Sprintf("%v %s", mode, owner)}
	data, err := t.read(file)
	if err != nil {
		f.Found = err.Error()
		return f
	}
	problem := t.difference(File{Path: file, Text: string(data), Mode: mode, Owner: owner, Secret: true})
	f.Found, f.OK = orDefault(problem, f.Wanted), problem == ""
	return f
}
