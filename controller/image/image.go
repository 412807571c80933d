package image

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// The statuses of an image.
const (
	statusQueued      = "queued"    // no data yet
	statusSaving      = "saving"    // an upload is under way
	statusUploading   = "uploading" // data is staged, or about to be
	statusImporting   = "importing" // staged data is about to be the image's
	statusActive      = "active"
	statusDeactivated = "deactivated" // nobody but administrators may read the data
)

// An Image is what a server can boot from. Size and what follows it are nil
// until the image is active.
type Image struct {
	ID              string            `json:"id"               db:"id,key"           api:"create,uuid,sort"`
	Name            *string           `json:"name"             db:"name"             api:"create,max=255,sort"`
	Owner           string            `json:"owner"            db:"project_id"       api:"create,min=1,max=64,filter,sort"`
	Status          string            `json:"status"           db:"status"           api:"sort"`
	Visibility      string            `json:"visibility"       db:"visibility"       api:"create,default=shared,oneof=public|community|shared|private,sort"`
	DiskFormat      *string           `json:"disk_format"      db:"disk_format"      api:"create,oneof=ami|ari|aki|vhd|vhdx|vmdk|raw|qcow2|vdi|iso,sort"`
	ContainerFormat *string           `json:"container_format" db:"container_format" api:"create,oneof=ami|ari|aki|bare|ovf|ova|docker,sort"`
	Size            *int64            `json:"size"             db:"size"             api:"filter,sort"` // bytes of the file
	VirtualSize     *int64            `json:"virtual_size"     db:"virtual_size" api:"filter,sort"`     // bytes of the disk
	Checksum        *string           `json:"checksum"         db:"checksum"         api:"filter"`      // MD5, hex
	HashAlgo        *string           `json:"os_hash_algo"     db:"os_hash_algo"`                       // sha512
	HashValue       *string           `json:"os_hash_value"    db:"os_hash_value"    api:"filter"`      // hex
	Protected       bool              `json:"protected"        db:"protected"        api:"create,filter"`
	Hidden          bool              `json:"os_hidden"        db:"os_hidden"        api:"create,filter"`
	MinDisk         int               `json:"min_disk"         db:"min_disk"         api:"create,min=0,filter,sort"` // GiB
	MinRAM          int               `json:"min_ram"          db:"min_ram"          api:"create,min=0,filter,sort"` // MiB
	Tags            []string          `json:"tags"             db:"tags,json"        api:"create,max=128"`
	Properties      map[string]string `json:"-"                db:"properties,json"  api:"create,inline"`
	StoreIDs        []string          `json:"-"                db:"stores,json"`
	Holder          *string           `json:"-"                db:"holder"` // the controller that works on it
	CreatedAt       time.Time         `json:"created_at"       db:"created_at"       api:"sort"`
	UpdatedAt       time.Time         `json:"updated_at"       db:"updated_at"       api:"sort"`
	Self            string            `json:"self"`
	File            string            `json:"file"`
	Stores          string            `json:"stores,omitempty"`
	Schema          string            `json:"schema"`
}

// Format is what the image's data is: its disk_format, or its container's
// where that is an archive. It is empty while nobody has said.
func (i *Image) Format() string {
	switch {
	case i.DiskFormat == nil || i.ContainerFormat == nil:
		return ""
	case *i.ContainerFormat == "ova" || *i.ContainerFormat == "docker":
		return *i.ContainerFormat
	default:
		return *i.DiskFormat
	}
}

// imageResource describes /images.
func (s *Service) imageResource() api.Resource[Image] {
	return api.Resource[Image]{
		Name: "image", Path: "/images", Flat: true, Read: policy.Anyone,
		Quota: quotaCount, Rows: s.images, Scope: scope, Fill: fill, Creating: s.creating, Delete: s.delete,
		Filters:    filters(),
		FilterRest: byProperty,
		Below: []api.Below[Image]{
			{Method: http.MethodPatch, Rule: "modify_image", Access: policy.Member, Do: s.patch},
			{Method: http.MethodPut, Path: "/file", Rule: "upload_image", Access: policy.Member, Stream: true, Do: s.upload},
			{Method: http.MethodPut, Path: "/stage", Rule: "upload_image", Access: policy.Member, Stream: true, Do: s.stage},
			{Method: http.MethodPost, Path: "/import", Rule: "import_image", Access: policy.Member, Code: http.StatusAccepted, Do: s.doImport},
			{Method: http.MethodGet, Path: "/tasks", Rule: "get_image", Do: s.imageTasks},
			{Method: http.MethodGet, Path: "/file", Rule: "download_image", Access: policy.Anyone, Stream: true, Do: s.download},
			{Method: http.MethodPut, Path: "/tags/{tag}", Rule: "modify_image", Access: policy.Member, Do: s.addTag},
			{Method: http.MethodDelete, Path: "/tags/{tag}", Rule: "modify_image", Access: policy.Member, Do: s.dropTag},
			{Method: http.MethodPost, Path: "/actions/deactivate", Rule: "deactivate", Access: policy.Member, Do: s.turn(statusActive, statusDeactivated)},
			{Method: http.MethodPost, Path: "/actions/reactivate", Rule: "reactivate", Access: policy.Member, Do: s.turn(statusDeactivated, statusActive)},
			{Method: http.MethodGet, Path: "/members", Rule: "get_members", Access: policy.Anyone, Do: s.listMembers},
			{Method: http.MethodPost, Path: "/members", Rule: "add_member", Access: policy.Member, Do: s.addMember},
			{Method: http.MethodGet, Path: "/members/{member_id}", Rule: "get_members", Access: policy.Anyone, Do: s.showMember},
			{Method: http.MethodPut, Path: "/members/{member_id}", Rule: "modify_member", Access: policy.Anyone, Do: s.acceptMember},
			{Method: http.MethodDelete, Path: "/members/{member_id}", Rule: "delete_member", Access: policy.Member, Do: s.dropMember},
		},
	}
}

// fill sets what follows from the id.
func fill(_ context.Context, _ *api.Call, rows []*Image) error {
	for _, r := range rows {
		r.Self, r.File, r.Schema = "/v2/images/"+r.ID, "/v2/images/"+r.ID+"/file", "/v2/schemas/image"
		if r.Status == statusActive || r.Status == statusDeactivated {
			r.Stores = strings.Join(slices.Sorted(slices.Values(r.StoreIDs)), ",")
		}
		if len(r.Tags) == 0 {
			r.Tags = []string{}
		}
	}
	return nil
}

// creating completes a new image.
func (s *Service) creating(_ context.Context, _ *store.Tx, c *api.Call, in *Image) error {
	if in.ID == "" {
		in.ID = cloud.NewID()
	}
	in.Status = statusQueued
	in.Tags = unique(in.Tags)
	if err := checkProperties(in.Properties); err != nil {
		return err
	}
	if err := allowOwner(c, in.Owner); err != nil {
		return err
	}
	c.Header().Set("Location", c.URL("/images/"+in.ID))
	c.Header().Set("Openstack-Image-Import-Methods", strings.Join(s.importMethods(), ","))
	c.Header().Set("Openstack-Image-Store-Ids", strings.Join(s.stores.ids(), ","))
	return allowVisibility(c, in)
}

// allowVisibility sees that the caller may show the image to others.
func allowVisibility(c *api.Call, img *Image) error {
	switch img.Visibility {
	case "public":
		return c.Allow("publicize_image", nil)
	case "community":
		return c.Allow("communitize_image", nil)
	default:
		return nil
	}
}

// allowOwner sees that only administrators make images of other projects.
func allowOwner(c *api.Call, owner string) error {
	if owner == c.Caller.ProjectID || c.Caller.IsAdmin {
		return nil
	}
	return cloud.Forbidden("You are not permitted to create or change images so that '%s' owns them.", owner)
}

// ownPrefix begins properties that the service sets itself.
const ownPrefix = "os_glance_"

// reserved are names that no property may have: clients take them for
// something that the service says.
var reserved = []string{"self", "file", "schema", "direct_url", "locations", "stores", "deleted", "deleted_at", "members", "image_id"}

const maxProperties = 128

func tooMany() error {
	return cloud.Errorf(cloud.KindTooLarge, "The limit of %d properties is exceeded.", maxProperties)
}

func checkProperties(p map[string]string) error {
	if len(p) > maxProperties {
		return tooMany()
	}
	for name, value := range p {
		switch {
		case slices.Contains(reserved, name) || strings.HasPrefix(name, ownPrefix):
			return cloud.Forbidden("Attribute '%s' is reserved.", name)
		case name == "" || len(name) > 255:
			return cloud.BadRequest("The property name %.32q has %d bytes; allowed: 1 to 255.", name, len(name))
		case len(value) > 65535:
			return cloud.BadRequest("The property %s has %d bytes; allowed: 65535.", name, len(value))
		}
	}
	return nil
}

// delete removes row and file; the file goes last, so that no row is without
// one.
func (s *Service) delete(ctx context.Context, _ *api.Call, img *Image) error {
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		now, err := s.images.In(tx).Lock(ctx, img.ID)
		if cloud.IsNotFound(err) {
			return cloud.NotFound("No image found with ID %s", img.ID).Because(err)
		}
		if err != nil {
			return err
		}
		if now.Protected {
			return cloud.Forbidden("Image %s is protected and cannot be deleted.", img.ID)
		}
		if err := s.count(ctx, tx, now, -1); err != nil {
			return err
		}
		_, err = s.images.In(tx).Delete(ctx, store.Eq("id", img.ID))
		return err
	})
	if err != nil {
		return err
	}
	if err := s.stores.remove(ctx, img.ID, img.StoreIDs); err != nil {
		s.log.Warn("image: data of a deleted image is still in a store; it is swept later", "image", img.ID, "error", err)
	}
	if s.cache != nil {
		if err := s.cache.Remove(img.ID); err != nil {
			return err
		}
	}
	return s.files.remove(img.ID)
}

// count adds an image and its data to what its owner uses, or takes them away.
func (s *Service) count(ctx context.Context, tx *store.Tx, img *Image, sign int64) error {
	size := int64(0)
	if img.Size != nil {
		size = mebibytes(*img.Size) * int64(len(img.StoreIDs))
	}
	for name, n := range map[string]int64{quotaCount: 1, quotaSize: size} {
		var err error
		if sign < 0 {
			err = s.quotas.Release(ctx, tx, img.Owner, name, n)
		} else {
			err = s.quotas.Reserve(ctx, tx, img.Owner, name, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// turn changes the status from one to another.
func (s *Service) turn(from, to string) func(context.Context, *api.Call, *Image) (any, error) {
	return func(ctx context.Context, _ *api.Call, img *Image) (any, error) {
		if img.Status == to {
			return nil, nil
		}
		n, err := s.images.Change(ctx, store.Set{"status": to, "updated_at": s.clock()}, store.Eq("id", img.ID), store.Eq("status", from))
		if err == nil && n == 0 {
			return nil, cloud.Forbidden("Image status transition from %s to %s is not allowed.", img.Status, to)
		}
		return nil, err
	}
}

// unique drops what comes twice.
func unique(list []string) []string {
	kept := []string{}
	for _, s := range list {
		if !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}
