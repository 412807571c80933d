package installer

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/source"
	"github.com/cairn-cloud/cairn/installer/tui"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// An agreed origin is another one to whose plan a person has to agree first,
// and who sees how it is carried out.
type agreed struct {
	origin
	session *tui.Session
	rack    *plan.Rack // of a cloud that is founded; nil otherwise
	rackRaw []byte

	ca []byte // PEM, when it is known
}

// Plan asks the person about what was decided.
func (o *agreed) Plan(ctx context.Context, inv plan.Inventory, again func() plan.Inventory) (plan.Plan, error) {
	p, err := o.origin.Plan(ctx, inv, again)
	if err != nil {
		return p, err
	}
	yes, err := o.session.Confirm(ctx, p, o.rackRaw)
	if err == nil && !yes {
		err = errNotAgreed
	}
	return p, err
}

// Progress shows it on the terminals too.
func (o *agreed) Progress(ctx context.Context, p plan.Progress) {
	o.session.Progress(p)
	o.origin.Progress(ctx, p)
}

// Stamp is none: a person has decided, and may decide the same again.
func (o *agreed) Stamp(*source.Release) string { return "" }

// Identity keeps what the last screen shows.
func (o *agreed) Identity(ctx context.Context, p plan.Plan) (identity, error) {
	id, err := o.origin.Identity(ctx, p)
	if err != nil {
		return id, err
	}
	o.ca = id.ca
	if found := id.found; found != nil {
		id.found = func(dir string) (ca, cert, key []byte, err error) {
			ca, cert, key, err = found(dir)
			o.ca = ca
			return ca, cert, key, err
		}
	}
	return id, nil
}

// passwordFile is where the first password of the administrator is on a
// controller, from its first start on.
const passwordFile = "/var/lib/cairn/operator/admin-password"

// outcome is what the last screen says.
func (o *agreed) outcome(p plan.Plan) wizard.Outcome {
	out := wizard.Outcome{Title: p.HostName + " is ready to start"}
	if o.rack == nil {
		out.Next = "It starts its system now and says to the controller that it is there. Take the medium out, if there is one."
	} else {
		at := o.rack.Management.Controller.String()
		api := "https://" + at + "/"
		if e := o.rack.External; e.Address.IsValid() {
			api = "https://" + e.Address.Addr().String() + "/"
		} else if e.NIC != "" {
			api += ", and the address that DHCP gives " + e.NIC
		}
		out.Facts = []wizard.Fact{
			{Name: "API", Value: api + " (some minutes after the start)"},
			{Name: "SSH", Value: "ssh cairn@" + at},
			{Name: "Password", Value: "of the user admin: ssh cairn@" + at + " cat " + passwordFile},
		}
		out.Next = "Take the medium out. Boot the other machines of the rack from the network: this one installs them. They show the fingerprint above when a person has them join."
	}
	if f := fingerprint(o.ca); f != "" {
		out.Facts = append(out.Facts, wizard.Fact{Name: "Cloud's CA", Value: f})
	}
	return out
}

// fingerprint is that of a certificate in PEM; empty where there is none.
func fingerprint(text []byte) string {
	block, _ := pem.Decode(text)
	if block == nil {
		return ""
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Sprint("unknown: ", err)
	}
	return pki.Fingerprint(c)
}
