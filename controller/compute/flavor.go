package compute

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Flavor is a size of servers. Private ones are for administrators.
type Flavor struct {
	ID         *string           `json:"id" db:"id,key" api:"brief,create"` // null on creation: chosen
	Seq        int64             `json:"-" db:"seq,auto"`
	Name       string            `json:"name" db:"name" api:"brief,create,required,name,sort"`
	RAM        int               `json:"ram" db:"ram" api:"create,required,min=1,max=2147483647,sort"`
	VCPUs      int               `json:"vcpus" db:"vcpus" api:"create,required,min=1,max=2147483647,sort"`
	Disk       int               `json:"disk" db:"disk" api:"create,required,min=0,max=2147483647,sort"`
	Ephemeral  int               `json:"OS-FLV-EXT-DATA:ephemeral" db:"ephemeral" api:"create,min=0,max=0"`
	Swap       any               `json:"swap" api:"create"`
	SwapMiB    int               `json:"-" db:"swap"`
	RxTx       float64           `json:"rxtx_factor" db:"rxtx_factor" api:"create,default=1"`
	Disabled   bool              `json:"OS-FLV-DISABLED:disabled"`
	Public     bool              `json:"os-flavor-access:is_public" db:"is_public" api:"create,default=true"`
	ExtraSpecs map[string]string `json:"-" db:"extra_specs,json"`
	CreatedAt  time.Time         `json:"-" db:"created_at"`
	UpdatedAt  time.Time         `json:"-" db:"updated_at"`
}

// flavorID is what Nova lets the id of a flavor be.
var flavorID = regexp.MustCompile(`^[A-Za-z0-9. _-]{1,255}$`)

// flavorsResource describes /flavors.
func (s *Service) flavorsResource() api.Resource[Flavor] {
	return api.Resource[Flavor]{
		Name: "flavor", Path: "/flavors", Noun: "Flavor",
		Owner: api.Cloud, Policy: "os_compute_api:os-flavor-manage",
		Detail: true, Links: true, Rows: s.flavors,
		Codes: api.Codes{api.OpCreate: {"": 200}, api.OpDelete: {"": 202}},
		Sort:  []store.Sort{{Column: "seq"}},
		Scope: flavorScope,
		Filters: []api.Filter{
			{Name: "minRam", Cond: atLeast("ram")},
			{Name: "minDisk", Cond: atLeast("disk")},
			{Name: "is_public", Cond: byPublic},
		},
		Fill: func(_ context.Context, _ *api.Call, rows []*Flavor) error {
			for _, f := range rows {
				if f.Swap = f.SwapMiB; f.SwapMiB == 0 {
					f.Swap = "" // as Nova shows it before 2.75
				}
			}
			return nil
		},
		Creating: s.creatingFlavor,
		Below:    s.extraSpecs(),
	}
}

// flavorScope hides private flavors from all but administrators.
func flavorScope(_ context.Context, c *api.Call) ([]store.Cond, error) {
	if c.Caller.IsAdmin {
		return nil, nil
	}
	return []store.Cond{store.Eq("is_public", true)}, nil
}

// byPublic is the filter is_public=True, False or None (both).
func byPublic(_ context.Context, c *api.Call, values []string) ([]store.Cond, error) {
	v := values[len(values)-1]
	if !c.Caller.IsAdmin || strings.EqualFold(v, "none") {
		return nil, nil
	}
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return nil, cloud.BadRequest("Invalid is_public filter [%s]", v)
	}
	return []store.Cond{store.Eq("is_public", b)}, nil
}

func atLeast(column string) func(context.Context, *api.Call, []string) ([]store.Cond, error) {
	return func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
		n, err := strconv.Atoi(values[len(values)-1])
		if err != nil {
			return nil, cloud.BadRequest("Invalid filter value %q: a number is needed.", values[len(values)-1])
		}
		return []store.Cond{store.Ge(column, n)}, nil
	}
}

// creatingFlavor checks what the tags cannot say.
func (s *Service) creatingFlavor(ctx context.Context, tx *store.Tx, c *api.Call, in *Flavor) error {
	if in.ID == nil || *in.ID == "" || *in.ID == "auto" {
		in.ID = ptr(cloud.NewID())
	}
	if !flavorID.MatchString(*in.ID) {
		return cloud.BadRequest("Invalid input for field/attribute flavorid. Value: %s. Allowed: 1 to 255 letters, digits, dots, underscores, hyphens and blanks", *in.ID)
	}
	if in.ExtraSpecs == nil {
		in.ExtraSpecs = map[string]string{}
	}
	if raw := strings.Trim(string(c.Raw("swap")), `"`); raw != "" && raw != "null" && raw != "0" {
		return cloud.BadRequest("Invalid input for field/attribute swap. Value: %s. Swap disks are not offered; allowed: 0", raw)
	}
	n, err := s.flavors.In(tx).Count(ctx, store.Eq("id", *in.ID))
	if err == nil && n > 0 {
		err = cloud.Conflict("Flavor with ID %s already exists.", *in.ID)
	}
	if err != nil {
		return err
	}
	n, err = s.flavors.In(tx).Count(ctx, store.Eq("name", in.Name))
	if err == nil && n > 0 {
		err = cloud.Conflict("Flavor with name %s already exists.", in.Name)
	}
	return err
}

// extraSpecs is /flavors/{id}/os-extra_specs: free properties of a flavor.
func (s *Service) extraSpecs() []api.Below[Flavor] {
	const write = "os_compute_api:os-flavor-extra-specs:create"
	one := func(key, value string) any { return map[string]string{key: value} }
	return []api.Below[Flavor]{
		{Method: "GET", Path: "/os-extra_specs", Do: func(_ context.Context, _ *api.Call, f *Flavor) (any, error) {
			return map[string]any{"extra_specs": f.ExtraSpecs}, nil
		}},
		{Method: "GET", Path: "/os-extra_specs/{key}", Do: func(_ context.Context, c *api.Call, f *Flavor) (any, error) {
			v, ok := f.ExtraSpecs[c.Param("key")]
			if !ok {
				return nil, noExtraSpec(f, c.Param("key"))
			}
			return one(c.Param("key"), v), nil
		}},
		{Method: "POST", Path: "/os-extra_specs", Rule: write, Access: policy.Admin, Do: func(ctx context.Context, c *api.Call, f *Flavor) (any, error) {
			var body struct {
				Specs map[string]string `json:"extra_specs"`
			}
			if err := json.Unmarshal(c.Body(), &body); err != nil || body.Specs == nil {
				return nil, cloud.BadRequest("Invalid input for field/attribute extra_specs. An object of texts is needed.")
			}
			return map[string]any{"extra_specs": body.Specs}, s.setExtraSpecs(ctx, f, body.Specs)
		}},
		{Method: "PUT", Path: "/os-extra_specs/{key}", Rule: write, Access: policy.Admin, Do: func(ctx context.Context, c *api.Call, f *Flavor) (any, error) {
			var body map[string]string
			key := c.Param("key")
			if err := json.Unmarshal(c.Body(), &body); err != nil || len(body) != 1 || body[key] == "" {
				return nil, cloud.BadRequest("Invalid input: the body has to be an object with the one member %q.", key)
			}
			return body, s.setExtraSpecs(ctx, f, body)
		}},
		{Method: "DELETE", Path: "/os-extra_specs/{key}", Rule: write, Access: policy.Admin, Code: 200, Do: func(ctx context.Context, c *api.Call, f *Flavor) (any, error) {
			if _, ok := f.ExtraSpecs[c.Param("key")]; !ok {
				return nil, noExtraSpec(f, c.Param("key"))
			}
			delete(f.ExtraSpecs, c.Param("key"))
			return nil, s.flavors.Update(ctx, f, "extra_specs")
		}},
	}
}

func noExtraSpec(f *Flavor, key string) error {
	return cloud.NotFound("Flavor %s has no extra specs with key %s.", *f.ID, key)
}

func (s *Service) setExtraSpecs(ctx context.Context, f *Flavor, specs map[string]string) error {
	for k, v := range specs {
		f.ExtraSpecs[k] = v
	}
	return s.flavors.Update(ctx, f, "extra_specs")
}

// Bootstrap makes a small set of flavors in an empty cloud.
func (s *Service) Bootstrap(ctx context.Context) error {
	n, err := s.flavors.Count(ctx)
	if err != nil || n > 0 {
		return err
	}
	for _, f := range []Flavor{
		{ID: ptr("1"), Name: "m1.tiny", RAM: 512, VCPUs: 1, Disk: 1},
		{ID: ptr("2"), Name: "m1.small", RAM: 2048, VCPUs: 1, Disk: 20},
		{ID: ptr("3"), Name: "m1.medium", RAM: 4096, VCPUs: 2, Disk: 40},
		{ID: ptr("42"), Name: "m1.nano", RAM: 128, VCPUs: 1, Disk: 0},
	} {
		f.RxTx, f.Public, f.ExtraSpecs = 1, true, map[string]string{}
		f.CreatedAt = s.clock()
		f.UpdatedAt = f.CreatedAt
		if err := s.flavors.Insert(ctx, &f); err != nil && !cloud.IsConflict(err) {
			return err
		}
	}
	return nil
}
