package image

import (
	"context"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Member is a project that an image is shared with. It shows in that
// project's lists when the project has accepted it.
type Member struct {
	ImageID   string    `db:"image_id,key"`
	MemberID  string    `db:"member_id"`
	Status    string    `db:"status"` // pending, accepted, rejected
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

const timeLayout = "2006-01-02T15:04:05Z"

func (m *Member) object() map[string]any {
	return map[string]any{
		"image_id": m.ImageID, "member_id": m.MemberID, "status": m.Status, "schema": "/v2/schemas/member",
		"created_at": m.CreatedAt.Format(timeLayout), "updated_at": m.UpdatedAt.Format(timeLayout),
	}
}

// owns tells whether the caller decides about the image.
func owns(c *api.Call, img *Image) bool { return c.Caller.IsAdmin || img.Owner == c.Caller.ProjectID }

// listMembers shows all to the owner, and others themselves.
func (s *Service) listMembers(ctx context.Context, c *api.Call, img *Image) (any, error) {
	conds := []store.Cond{store.Eq("image_id", img.ID)}
	if !owns(c, img) {
		conds = append(conds, store.Eq("member_id", c.Caller.ProjectID))
	}
	rows, err := s.members.List(ctx, store.Query{Where: conds})
	if err != nil {
		return nil, err
	}
	list := []any{}
	for i := range rows {
		list = append(list, rows[i].object())
	}
	return map[string]any{"members": list, "schema": "/v2/schemas/members"}, nil
}

func (s *Service) addMember(ctx context.Context, c *api.Call, img *Image) (any, error) {
	in, err := api.Decode[struct {
		Member string `json:"member" api:"required,name"`
	}](c)
	if err != nil {
		return nil, err
	}
	if img.Visibility != "shared" {
		return nil, cloud.Forbidden("Only shared images have members.")
	}
	now := s.clock()
	m := &Member{ImageID: img.ID, MemberID: in.Member, Status: "pending", CreatedAt: now, UpdatedAt: now}
	if err := s.members.Insert(ctx, m); err != nil {
		return nil, err
	}
	return m.object(), nil
}

// member finds one member, if the caller may know of it.
func (s *Service) member(ctx context.Context, c *api.Call, img *Image) (*Member, error) {
	id := c.Param("member_id")
	if !owns(c, img) && id != c.Caller.ProjectID {
		return nil, cloud.NotFound("%s not found in the member list of the image %s.", id, img.ID)
	}
	m, err := s.members.First(ctx, store.Eq("image_id", img.ID), store.Eq("member_id", id))
	if cloud.IsNotFound(err) {
		return nil, cloud.NotFound("%s not found in the member list of the image %s.", id, img.ID)
	}
	return m, err
}

func (s *Service) showMember(ctx context.Context, c *api.Call, img *Image) (any, error) {
	m, err := s.member(ctx, c, img)
	if err != nil {
		return nil, err
	}
	return m.object(), nil
}

// acceptMember is what the member decides, not the owner.
func (s *Service) acceptMember(ctx context.Context, c *api.Call, img *Image) (any, error) {
	in, err := api.Decode[struct {
		Status string `json:"status" api:"required,oneof=pending|accepted|rejected"`
		Member string `json:"member" api:"max=255"` // some clients name it again; the path says who it is
	}](c)
	if err != nil {
		return nil, err
	}
	m, err := s.member(ctx, c, img)
	if err != nil {
		return nil, err
	}
	if m.MemberID != c.Caller.ProjectID && !c.Caller.IsAdmin {
		return nil, cloud.Forbidden("Only the member may change its status.")
	}
	m.Status, m.UpdatedAt = in.Status, s.clock()
	_, err = s.members.Change(ctx, store.Set{"status": m.Status, "updated_at": m.UpdatedAt}, store.Eq("image_id", m.ImageID), store.Eq("member_id", m.MemberID))
	return m.object(), err
}

func (s *Service) dropMember(ctx context.Context, c *api.Call, img *Image) (any, error) {
	n, err := s.members.Delete(ctx, store.Eq("image_id", img.ID), store.Eq("member_id", c.Param("member_id")))
	if err == nil && n == 0 {
		return nil, cloud.NotFound("%s not found in the member list of the image %s.", c.Param("member_id"), img.ID)
	}
	return nil, err
}
