package identity

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// ec2Routes are the EC2 keys of a user: credentials in other words.
func (s *Service) ec2Routes() []api.Route {
	const path = "/users/{user_id}/credentials/OS-EC2"
	route := func(method, path string, do func(context.Context, *api.Call, *User) error) api.Route {
		return api.Route{Method: method, Path: path, Handle: func(ctx context.Context, c *api.Call) error {
			u := s.now.Load().users.at(c.Param("user_id"))
			if c.Param("user_id") != c.Caller.UserID && !c.Caller.IsAdmin {
				return cloud.Forbidden("The keys of %s are for that user and administrators.", c.Param("user_id"))
			}
			if err := inPerson(c); err != nil {
				return err
			}
			if u == nil {
				return cloud.NotFound("Could not find user: %s.", c.Param("user_id"))
			}
			return do(ctx, c, u)
		}}
	}
	return []api.Route{
		route(http.MethodGet, path, s.listEC2), route(http.MethodPost, path, s.createEC2),
		route(http.MethodGet, path+"/{access}", s.showEC2), route(http.MethodDelete, path+"/{access}", s.deleteEC2),
	}
}

// createEC2 makes a key pair for a project on which the user has a role.
func (s *Service) createEC2(ctx context.Context, c *api.Call, u *User) error {
	var body struct {
		ProjectID string `json:"tenant_id"`
	}
	if err := c.Read(&body); err != nil {
		return err
	}
	if len(s.now.Load().rolesOn(u.ID, target{"project", body.ProjectID})) == 0 {
		return cloud.BadRequest("tenant_id is %q; allowed: a project on which the user has a role", body.ProjectID)
	}
	b := ec2Blob{Access: cloud.NewHexID(), Secret: newSecret()[:43]}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	row := &credential{ID: accessID(b.Access), UserID: u.ID, ProjectID: &body.ProjectID, Type: typeEC2, Sealed: s.secrets.seal(string(text), accessID(b.Access))}
	if err := s.tables.credentials.Insert(ctx, row); err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, map[string]any{"credential": ec2Object(c, row, &b)})
}

func ec2Object(c *api.Call, row *credential, b *ec2Blob) any {
	return map[string]any{
		"access": b.Access, "secret": b.Secret, "user_id": row.UserID, "tenant_id": row.ProjectID, "trust_id": b.TrustID,
		"links": self(c, "/users/"+row.UserID+"/credentials/OS-EC2/"+b.Access),
	}
}

// openEC2 unseals a key pair.
func (s *Service) openEC2(row *credential) (*ec2Blob, error) {
	text, err := s.secrets.open(row.Sealed, row.ID)
	if err != nil {
		return nil, err
	}
	b := &ec2Blob{}
	return b, json.Unmarshal([]byte(text), b)
}

func (s *Service) listEC2(ctx context.Context, c *api.Call, u *User) error {
	rows, err := s.tables.credentials.List(ctx, store.Query{Where: []store.Cond{store.Eq("user_id", u.ID), store.Eq("type", typeEC2)}})
	if err != nil {
		return err
	}
	list := []any{}
	for i := range rows {
		b, err := s.openEC2(&rows[i])
		if err != nil {
			return err
		}
		list = append(list, ec2Object(c, &rows[i], b))
	}
	return c.JSON(http.StatusOK, listOf(c, "credentials", list))
}

// keyOf is the row of a user's key pair.
func (s *Service) keyOf(ctx context.Context, c *api.Call, u *User) (*credential, error) {
	row, err := s.tables.credentials.First(ctx, store.Eq("id", accessID(c.Param("access"))), store.Eq("user_id", u.ID), store.Eq("type", typeEC2))
	if cloud.IsNotFound(err) {
		return nil, cloud.NotFound("Could not find credential: %s.", c.Param("access"))
	}
	return row, err
}

func (s *Service) showEC2(ctx context.Context, c *api.Call, u *User) error {
	row, err := s.keyOf(ctx, c, u)
	if err != nil {
		return err
	}
	b, err := s.openEC2(row)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"credential": ec2Object(c, row, b)})
}

func (s *Service) deleteEC2(ctx context.Context, c *api.Call, u *User) error {
	row, err := s.keyOf(ctx, c, u)
	if err != nil {
		return err
	}
	if _, err := s.tables.credentials.Delete(ctx, store.Eq("id", row.ID)); err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}
