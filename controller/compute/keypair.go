package compute

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Keypair is an SSH public key that its owner may have put into new servers.
// Keypairs belong to a user, not a project, and are addressed by name.
type Keypair struct {
	Name        string     `json:"name" db:"name" api:"create,required,name,sort"`
	Type        string     `json:"type" db:"type" api:"create,since=2.2,default=ssh,oneof=ssh"`
	PublicKey   string     `json:"public_key" db:"public_key" api:"create"`
	Fingerprint string     `json:"fingerprint" db:"fingerprint"`
	PrivateKey  string     `json:"private_key,omitempty" api:"once"` // shown on create, never stored
	UserID      string     `json:"user_id,omitempty" db:"user_id" api:"create,setadmin,since=2.1"`
	Seq         int64      `json:"id,omitempty" db:"seq,key,auto"`
	CreatedAt   time.Time  `json:"-" db:"created_at"`
	Created     *time.Time `json:"created_at,omitempty"`
	Deleted     *bool      `json:"deleted,omitempty"`
}

// keypairsResource describes /os-keypairs.
func (s *Service) keypairsResource() api.Resource[Keypair] {
	return api.Resource[Keypair]{
		Name: "keypair", Path: "/os-keypairs", Key: "name", Noun: "Keypair",
		Owner: api.User, Policy: "os_compute_api:os-keypairs", Quota: "key_pairs",
		WrapItems: true,
		Codes: api.Codes{
			api.OpCreate: {"2.1": 200, "2.2": 201},
			api.OpDelete: {"2.1": 202, "2.2": 204},
		},
		Rows: s.keypairs,
		Fill: func(_ context.Context, c *api.Call, rows []*Keypair) error {
			for _, k := range rows {
				if c.Op == api.OpShow {
					k.Created, k.Deleted = &k.CreatedAt, new(bool)
					continue
				}
				k.Seq = 0
				if c.Op == api.OpList {
					k.UserID = ""
				}
			}
			return nil
		},
		Creating: func(ctx context.Context, tx *store.Tx, c *api.Call, in *Keypair) error {
			n, err := s.keypairs.In(tx).Count(ctx, store.Eq("user_id", in.UserID), store.Eq("name", in.Name))
			if err == nil && n > 0 {
				err = cloud.Conflict("Key pair '%s' already exists.", in.Name)
			}
			if err != nil {
				return err
			}
			return in.complete()
		},
	}
}

// complete makes the key if none was given, and its fingerprint.
func (k *Keypair) complete() error {
	k.Type = "ssh" // the only one; before 2.2 nobody names it
	if k.PublicKey == "" {
		public, private, err := newKey(k.Name)
		if err != nil {
			return err
		}
		k.PublicKey, k.PrivateKey = public, private
	}
	key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(k.PublicKey))
	if err != nil || strings.TrimSpace(string(rest)) != "" {
		return cloud.BadRequest("Keypair data is invalid: failed to generate fingerprint").Because(err)
	}
	k.Fingerprint = ssh.FingerprintLegacyMD5(key)
	return nil
}

// newKey makes an Ed25519 key pair in the forms of OpenSSH.
func newKey(comment string) (public, private string, err error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(priv, comment)
	if err != nil {
		return "", "", err
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), string(pem.EncodeToMemory(block)), nil
}
