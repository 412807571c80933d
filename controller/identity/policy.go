package identity

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A policyDocument is a text that other services may fetch from here. This
// cloud's own rules are not kept here, and nothing here changes them.
type policyDocument struct {
	ID   string `json:"id"   db:"id,key"`
	Type string `json:"type" db:"type"      api:"create,update,required,name,filter"`
	Blob string `json:"blob" db:"blob_text" api:"create,update,required,max=1000000"`
}

// policies describes /policies.
func (s *Service) policies() api.Resource[policyDocument] {
	return api.Resource[policyDocument]{
		Name: "policy", Plural: "policies", Path: "/policies", Owner: api.Cloud, Links: true, Read: policy.AdminOrSystemReader, Write: policy.Admin,
		Rows: s.tables.policies,
	}
}

// A consumer is a program that users may let act for them by OAuth 1.0a.
type consumer struct {
	ID          string  `json:"id"               db:"id,key"`
	Description *string `json:"description"      db:"description" api:"create,update,max=65535"`
	Secret      string  `json:"secret,omitempty"                  api:"once"`
	Sealed      string  `json:"-"                db:"secret_sealed"`
}

// consumers describes /OS-OAUTH1/consumers. The secret signs requests, so it
// is sealed and not hashed.
func (s *Service) consumers() api.Resource[consumer] {
	return api.Resource[consumer]{
		Name: "consumer", Path: "/OS-OAUTH1/consumers", Owner: api.Cloud, Links: true, Read: policy.AdminOrSystemReader, Write: policy.Admin,
		Rows: s.tables.consumers,
		// What it was let do ends with it.
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, c *consumer) error {
			return s.endAccesses(ctx, tx, store.Eq("consumer_id", c.ID))
		},
		Creating: func(_ context.Context, _ *store.Tx, _ *api.Call, in *consumer) error {
			in.Secret = newSecret()
			in.Sealed = s.secrets.seal(in.Secret, in.ID)
			return nil
		},
	}
}
