package image

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// editable is what a patch may change.
type editable struct {
	Name            *string           `json:"name"             api:"max=255"`
	Owner           *string           `json:"owner"            api:"min=1,max=64"`
	Visibility      *string           `json:"visibility"       api:"oneof=public|community|shared|private"`
	DiskFormat      *string           `json:"disk_format"      api:"oneof=ami|ari|aki|vhd|vhdx|vmdk|raw|qcow2|vdi|iso"`
	ContainerFormat *string           `json:"container_format" api:"oneof=ami|ari|aki|bare|ovf|ova|docker"`
	Protected       *bool             `json:"protected"`
	Hidden          *bool             `json:"os_hidden"`
	MinDisk         *int              `json:"min_disk"         api:"min=0"`
	MinRAM          *int              `json:"min_ram"          api:"min=0"`
	Tags            []string          `json:"tags"             api:"max=128"`
	Properties      map[string]string `json:"-"                api:"inline"`
}

// readOnly are fields of an image that a patch names in vain.
var readOnly = []string{"id", "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at"}

// patch answers PATCH /images/{id}.
func (s *Service) patch(ctx context.Context, c *api.Call, img *Image) (any, error) {
	changes, err := changesOf(c)
	if err != nil {
		return nil, err
	}
	changed := *img
	err = s.db.Transact(ctx, func(tx *store.Tx) error {
		now, err := s.images.In(tx).Lock(ctx, img.ID)
		if err != nil {
			return err
		}
		changed = *now
		if err := s.apply(c, &changed, changes); err != nil {
			return err
		}
		if err := s.move(ctx, tx, now, &changed); err != nil {
			return err
		}
		changed.UpdatedAt = s.clock()
		return s.images.In(tx).Update(ctx, &changed)
	})
	if err != nil {
		return nil, err
	}
	return c.Present(&changed, fill(ctx, c, []*Image{&changed}))
}

// apply carries out a patch.
func (s *Service) apply(c *api.Call, img *Image, changes []change) error {
	properties := map[string]string{}
	for k, v := range img.Properties {
		properties[k] = v
	}
	img.Properties = properties
	set := map[string]json.RawMessage{}
	for _, ch := range changes {
		if err := mayChange(ch.Name); err != nil {
			return err
		}
		if err := collect(set, img, ch); err != nil {
			return err
		}
	}
	body, err := json.Marshal(set)
	if err != nil {
		return err
	}
	edit, err := api.DecodeRaw[editable](c, body)
	if err != nil {
		return err
	}
	return edit.onto(c, img, set)
}

// move counts an image that changes its owner.
func (s *Service) move(ctx context.Context, tx *store.Tx, from, to *Image) error {
	if from.Owner == to.Owner {
		return nil
	}
	if err := s.count(ctx, tx, from, -1); err != nil {
		return err
	}
	return s.count(ctx, tx, to, 1)
}

// mayChange refuses the names that a patch gives in vain.
func mayChange(name string) error {
	if slices.Contains(readOnly, name) || slices.Contains(reserved, name) || strings.HasPrefix(name, ownPrefix) {
		return cloud.Forbidden("Attribute '%s' is read-only.", name)
	}
	return nil
}

// base are the fields that every image has: they can be replaced but not
// removed.
var base = []string{"name", "visibility", "disk_format", "container_format", "protected", "os_hidden", "min_disk", "min_ram", "tags", "owner"}

// collect takes up one operation.
func collect(set map[string]json.RawMessage, img *Image, ch change) error {
	name := ch.Name
	isBase := slices.Contains(base, name)
	_, has := img.Properties[name]
	if _, now := set[name]; now {
		has = true
	}
	switch {
	case ch.Op == "remove" && isBase:
		return cloud.Forbidden("Property %s may not be removed.", name)
	case (ch.Op == "remove" || ch.Op == "replace") && !isBase && !has:
		return cloud.Conflict("Property %s does not exist.", name)
	case ch.Op == "remove":
		delete(img.Properties, name)
		delete(set, name)
	default:
		set[name] = ch.Value
	}
	return nil
}

// onto lays what was decoded over the image.
func (e *editable) onto(c *api.Call, img *Image, set map[string]json.RawMessage) error {
	if _, ok := set["name"]; ok {
		img.Name = e.Name
	}
	_, disk := set["disk_format"]
	_, container := set["container_format"]
	if (disk || container) && img.Status != statusQueued {
		return cloud.Forbidden("Attribute disk_format and container_format can only be replaced for a queued image.")
	}
	if disk {
		img.DiskFormat = e.DiskFormat
	}
	if container {
		img.ContainerFormat = e.ContainerFormat
	}
	if _, ok := set["owner"]; ok {
		if err := e.give(c, img); err != nil {
			return err
		}
	}
	if _, ok := set["tags"]; ok {
		img.Tags = unique(e.Tags)
	}
	over(&img.Protected, e.Protected)
	over(&img.Hidden, e.Hidden)
	over(&img.MinDisk, e.MinDisk)
	over(&img.MinRAM, e.MinRAM)
	for k, v := range e.Properties {
		img.Properties[k] = v
	}
	if err := checkProperties(e.Properties); err != nil {
		return err
	}
	if len(img.Properties) > maxProperties {
		return tooMany()
	}
	if e.Visibility == nil || *e.Visibility == img.Visibility {
		return nil
	}
	img.Visibility = *e.Visibility
	return allowVisibility(c, img)
}

// give makes the image another project's.
func (e *editable) give(c *api.Call, img *Image) error {
	if e.Owner == nil {
		return cloud.BadRequest("The owner is null; allowed: the id of a project.")
	}
	img.Owner = *e.Owner
	return allowOwner(c, img.Owner)
}

// over replaces what was given.
func over[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// addTag answers PUT /images/{id}/tags/{tag}.
func (s *Service) addTag(ctx context.Context, c *api.Call, img *Image) (any, error) {
	tag := c.Param("tag")
	if len(tag) > 255 || tag == "" {
		return nil, cloud.BadRequest("The tag has %d bytes; allowed: 1 to 255.", len(tag))
	}
	return s.retag(ctx, c, img, func(tags []string) ([]string, error) {
		if len(tags) >= 128 {
			return nil, cloud.Errorf(cloud.KindTooLarge, "The limit of 128 tags is reached.")
		}
		return unique(append(tags, tag)), nil
	})
}

// dropTag answers DELETE /images/{id}/tags/{tag}.
func (s *Service) dropTag(ctx context.Context, c *api.Call, img *Image) (any, error) {
	tag := c.Param("tag")
	return s.retag(ctx, c, img, func(tags []string) ([]string, error) {
		kept := []string{}
		for _, t := range tags {
			if t != tag {
				kept = append(kept, t)
			}
		}
		if len(kept) == len(tags) {
			return nil, cloud.NotFound("Image %s does not have the tag %s.", img.ID, tag)
		}
		return kept, nil
	})
}

func (s *Service) retag(ctx context.Context, c *api.Call, img *Image, f func([]string) ([]string, error)) (any, error) {
	c.Status(http.StatusNoContent)
	return nil, s.db.Transact(ctx, func(tx *store.Tx) error {
		now, err := s.images.In(tx).Lock(ctx, img.ID)
		if err != nil {
			return err
		}
		if now.Tags, err = f(now.Tags); err != nil {
			return err
		}
		now.UpdatedAt = s.clock()
		return s.images.In(tx).Update(ctx, now, "tags", "updated_at")
	})
}
