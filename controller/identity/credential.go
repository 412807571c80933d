package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A credential is something that a user keeps here for another service or for
// logging in otherwise: keys of EC2, a certificate. It is sealed in the
// database.
type credential struct {
	ID        string  `json:"id"         db:"id,key"`
	UserID    string  `json:"user_id"    db:"user_id"     api:"create,update,required,filter"`
	ProjectID *string `json:"project_id" db:"project_id"  api:"create,update"`
	Type      string  `json:"type"       db:"type"        api:"create,update,required,name,filter"`
	Blob      string  `json:"blob"                        api:"create,update,required,max=65535"`
	Sealed    string  `json:"-"          db:"blob_sealed"`
}

// typeEC2 is the type of the keys of EC2 and S3.
const typeEC2 = "ec2"

// ec2Blob is what is sealed of such a key.
type ec2Blob struct {
	Access  string  `json:"access"`
	Secret  string  `json:"secret"`
	TrustID *string `json:"trust_id"`

	// What else a key may have been made with, in the words of other clouds.
	AppCredentialID *string `json:"app_cred_id,omitempty"`
	AccessTokenID   *string `json:"access_token_id,omitempty"`
}

// credentials describes /credentials: users have their own, administrators
// all.
func (s *Service) credentials() api.Resource[credential] {
	return api.Resource[credential]{
		Name: "credential", Path: "/credentials", Owner: api.User, Links: true, Read: policy.Self, Write: policy.Self,
		Rows: s.tables.credentials,
		Scope: func(_ context.Context, c *api.Call) ([]store.Cond, error) {
			if err := inPerson(c); err != nil || c.Caller.IsAdmin {
				return nil, err
			}
			return []store.Cond{store.Eq("user_id", c.Caller.UserID)}, nil
		},
		Fill: func(_ context.Context, _ *api.Call, rows []*credential) (err error) {
			for _, r := range rows {
				if r.Blob, err = s.secrets.open(r.Sealed, r.ID); err != nil {
					return err
				}
			}
			return nil
		},
		Creating: func(_ context.Context, _ *store.Tx, c *api.Call, in *credential) error {
			if in.Type == typeEC2 {
				var b ec2Blob
				if err := json.Unmarshal([]byte(in.Blob), &b); err != nil || b.Access == "" || in.ProjectID == nil {
					return cloud.BadRequest("blob and project_id of an ec2 credential; needed: a JSON text with access and secret, and a project")
				}
				in.ID = accessID(b.Access)
			}
			if in.Type == typeTOTP {
				if _, err := totpSecret(in.Blob); err != nil {
					return err
				}
			}
			return s.keepCredential(c, in)
		},
		Updating: func(_ context.Context, _ *store.Tx, c *api.Call, old, changed *credential) (err error) {
			moved := old.UserID != changed.UserID || old.Type != changed.Type || orNone(old.ProjectID) != orNone(changed.ProjectID)
			if moved && !c.Caller.IsAdmin {
				return cloud.Forbidden("Whose a credential is, for which project and of what type is for administrators to change.")
			}
			if c.Has("blob") && changed.Type == typeTOTP {
				if _, err := totpSecret(changed.Blob); err != nil {
					return err
				}
			}
			if !c.Has("blob") {
				if changed.Blob, err = s.secrets.open(old.Sealed, old.ID); err != nil {
					return err
				}
			}
			return s.keepCredential(c, changed)
		},
	}
}

// accessID is the id of the credential with an EC2 access key.
func accessID(access string) string {
	sum := sha256.Sum256([]byte(access))
	return hex.EncodeToString(sum[:])
}

// keepCredential seals a credential, if it may be the caller's to make.
func (s *Service) keepCredential(c *api.Call, in *credential) error {
	if err := inPerson(c); err != nil {
		return err
	}
	snap := s.now.Load()
	switch {
	case in.UserID != c.Caller.UserID && !c.Caller.IsAdmin:
		return cloud.Forbidden("user_id is %s; credentials of others are for administrators.", in.UserID)
	case snap.users.at(in.UserID) == nil:
		return cloud.NotFound("Could not find user: %s.", in.UserID)
	case in.ProjectID != nil && snap.projects.at(*in.ProjectID) == nil:
		return cloud.NotFound("Could not find project: %s.", *in.ProjectID)
	}
	in.Sealed = s.secrets.seal(in.Blob, in.ID)
	return nil
}
