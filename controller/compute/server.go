package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Server is a machine of a user, as it goes over the wire. The fields with
// the word hidden come in only.
type Server struct {
	ID          string             `json:"id" db:"id" api:"brief,filter"`
	Name        string             `json:"name,omitempty" db:"name" api:"brief,create,update,required,name,filter,like,sort"`
	Links       any                `json:"links,omitempty" api:"brief"`
	Status      string             `json:"status,omitempty"`
	ProjectID   string             `json:"tenant_id,omitempty" db:"project_id" api:"filter"`
	UserID      string             `json:"user_id,omitempty" db:"user_id" api:"filter,sort"`
	HostHash    *string            `json:"hostId,omitempty"`
	Image       any                `json:"image,omitempty"`
	Flavor      any                `json:"flavor,omitempty"`
	Created     *time.Time         `json:"created,omitempty"`
	Updated     *time.Time         `json:"updated,omitempty"`
	Addresses   any                `json:"addresses,omitempty"`
	Metadata    *map[string]string `json:"metadata,omitempty" api:"create"`
	AccessIPv4  *string            `json:"accessIPv4,omitempty" api:"create"`
	AccessIPv6  *string            `json:"accessIPv6,omitempty" api:"create"`
	Progress    *int               `json:"progress,omitempty"`
	DiskConfig  string             `json:"OS-DCF:diskConfig" api:"create,default=MANUAL,oneof=MANUAL|AUTO"`
	Zone        *string            `json:"OS-EXT-AZ:availability_zone,omitempty"`
	ConfigDrive *string            `json:"config_drive,omitempty"`
	KeyName     json.RawMessage    `json:"key_name,omitempty" api:"create"`
	LaunchedAt  json.RawMessage    `json:"OS-SRV-USG:launched_at,omitempty"`
	EndedAt     json.RawMessage    `json:"OS-SRV-USG:terminated_at,omitempty"`
	Task        json.RawMessage    `json:"OS-EXT-STS:task_state,omitempty"`
	VM          string             `json:"OS-EXT-STS:vm_state,omitempty"`
	PowerState  *int               `json:"OS-EXT-STS:power_state,omitempty"`
	Groups      any                `json:"security_groups,omitempty" api:"create"`
	Volumes     any                `json:"os-extended-volumes:volumes_attached,omitempty"`
	Fault       *fault             `json:"fault,omitempty"`
	Host        json.RawMessage    `json:"OS-EXT-SRV-ATTR:host,omitempty" api:"admin"`
	Hypervisor  json.RawMessage    `json:"OS-EXT-SRV-ATTR:hypervisor_hostname,omitempty" api:"admin"`
	Instance    *string            `json:"OS-EXT-SRV-ATTR:instance_name,omitempty" api:"admin"`
	HostName    *string            `json:"OS-EXT-SRV-ATTR:hostname,omitempty" api:"admin,since=2.3"`
	Reservation *string            `json:"OS-EXT-SRV-ATTR:reservation_id,omitempty" api:"admin,since=2.3"`
	LaunchIndex *int               `json:"OS-EXT-SRV-ATTR:launch_index,omitempty" api:"admin,since=2.3"`
	KernelID    *string            `json:"OS-EXT-SRV-ATTR:kernel_id,omitempty" api:"admin,since=2.3"`
	RamdiskID   *string            `json:"OS-EXT-SRV-ATTR:ramdisk_id,omitempty" api:"admin,since=2.3"`
	RootDevice  *string            `json:"OS-EXT-SRV-ATTR:root_device_name,omitempty" api:"admin,since=2.3"`
	UserDataOut json.RawMessage    `json:"OS-EXT-SRV-ATTR:user_data,omitempty" api:"admin,since=2.3"`
	Locked      *bool              `json:"locked,omitempty" api:"since=2.9"`
	HostStatus  *string            `json:"host_status,omitempty" api:"admin,since=2.16"`
	Description json.RawMessage    `json:"description,omitempty" api:"create,update,since=2.19"`
	Tags        *[]string          `json:"tags,omitempty" api:"since=2.26"`
	AdminPass   string             `json:"adminPass,omitempty" api:"once"`

	ImageRef     string          `json:"imageRef" api:"create,hidden"`
	FlavorRef    json.RawMessage `json:"flavorRef" api:"create,required,hidden"`
	NetworksIn   json.RawMessage `json:"networks" api:"create,hidden"`
	UserDataIn   *string         `json:"user_data" api:"create,hidden"`
	MinCount     json.RawMessage `json:"min_count" api:"create,hidden"`
	MaxCount     json.RawMessage `json:"max_count" api:"create,hidden"`
	ZoneIn       *string         `json:"availability_zone" api:"create,hidden"`
	ConfigIn     json.RawMessage `json:"config_drive_in" api:"hidden"`
	BlockDevices json.RawMessage `json:"block_device_mapping_v2" api:"create,hidden"`
	ReturnID     *bool           `json:"return_reservation_id" api:"create,hidden"`

	row *serverRow
}

// serversResource describes /servers.
func (s *Service) serversResource() api.Resource[Server] {
	return api.Resource[Server]{
		Name: "server", Path: "/servers", Noun: "Instance", Policy: "os_compute_api:servers",
		Detail: true,
		Sort:   []store.Sort{{Column: "created_at", Desc: true}},
		Codes:  api.Codes{api.OpCreate: {"": 202}},
		Filters: []api.Filter{
			{Name: "status", Cond: byStatus}, {Name: "vm_state", Cond: byColumn("vm_state")},
			{Name: "task_state", Cond: byColumn("task_state")}, {Name: "project_id", Cond: byColumn("project_id")},
			{Name: "image", Cond: byColumn("image_id")}, {Name: "flavor", Cond: byColumn("flavor_id")},
			{Name: "host", Cond: adminOnly(byColumn("node_name"))}, {Name: "reservation_id", Cond: byColumn("reservation_id")},
			{Name: "deleted", Cond: notDeleted}, {Name: "changes-since", Cond: changesSince},
		},
		List:    s.listServers,
		Show:    s.showServer,
		Create:  s.createServer,
		Update:  s.updateServer,
		Delete:  func(ctx context.Context, _ *api.Call, v *Server) error { return s.deleteServer(ctx, v.ID) },
		Actions: s.serverActions(),
		Below:   s.serverMetadata(),
	}
}

// listServers reads a page of servers and completes it.
func (s *Service) listServers(ctx context.Context, c *api.Call, q store.Query) ([]Server, error) {
	rows, err := s.servers.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.wire(ctx, c, rows)
}

// showServer finds a server that the caller may know of.
func (s *Service) showServer(ctx context.Context, c *api.Call, key string) (*Server, error) {
	row, err := s.servers.Get(ctx, key)
	if err == nil && row.ProjectID != c.Caller.ProjectID && !c.Caller.IsAdmin {
		err = cloud.NotFound("Instance %s could not be found.", key)
	}
	if err != nil {
		return nil, err
	}
	list, err := s.wire(ctx, c, []serverRow{*row})
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// updateServer renames a server.
func (s *Service) updateServer(ctx context.Context, c *api.Call, old, changed *Server) (*Server, error) {
	set := store.Set{"updated_at": s.clock()}
	if c.Has("name") {
		set["name"] = strings.TrimSpace(changed.Name)
	}
	if c.Has("description") {
		var text *string
		if err := json.Unmarshal(c.Raw("description"), &text); err != nil {
			return nil, cloud.BadRequest("Invalid input for field/attribute description. Allowed: a text of at most 255 characters or null.")
		}
		set["description"] = text
	}
	if _, err := s.servers.Change(ctx, set, store.Eq("id", old.ID)); err != nil {
		return nil, err
	}
	return s.showServer(ctx, c, old.ID)
}

// wire makes what users see of rows.
func (s *Service) wire(ctx context.Context, c *api.Call, rows []serverRow) ([]Server, error) {
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	addresses, err := s.ports.Addresses(ctx, ids)
	if err != nil {
		return nil, err
	}
	ready, err := s.readyHosts(ctx, c)
	if err != nil {
		return nil, err
	}
	out := make([]Server, len(rows))
	for i := range rows {
		out[i] = wireServer(c, &rows[i], addresses[rows[i].ID], ready)
	}
	return out, nil
}

// readyHosts tells which hosts are ready, for callers who may know of hosts.
func (s *Service) readyHosts(ctx context.Context, c *api.Call) (map[string]bool, error) {
	ready := map[string]bool{}
	if !c.Caller.IsAdmin || !c.Since("2.16") {
		return ready, nil
	}
	hosts, err := s.hosts.Hosts(ctx)
	for _, h := range hosts {
		ready[h.ID] = h.Ready
	}
	return ready, err
}

// wireServer makes what users see of one row.
func wireServer(c *api.Call, r *serverRow, addresses []Address, ready map[string]bool) Server {
	power, zero, empty, no, zone := powerState(r.VM), 0, "", false, zoneName
	v := Server{
		ID: r.ID, Name: r.Name, Links: links(c, "servers", r.ID), Status: Status(r.VM, r.Task),
		ProjectID: r.ProjectID, UserID: r.UserID, HostHash: ptr(hostHash(r)),
		Image:   map[string]any{"id": r.ImageID, "links": bookmark(c, "images", r.ImageID)},
		Flavor:  map[string]any{"id": r.FlavorID, "links": bookmark(c, "flavors", r.FlavorID)},
		Created: ptr(r.CreatedAt.Truncate(time.Second)), Updated: ptr(r.UpdatedAt.Truncate(time.Second)),
		Addresses: addressMap(addresses), Metadata: &r.Metadata, AccessIPv4: &empty, AccessIPv6: &empty,
		DiskConfig: "MANUAL", Zone: &zone, ConfigDrive: &empty, KeyName: orNull(r.KeyName),
		LaunchedAt: launchedAt(r.LaunchedAt), EndedAt: json.RawMessage("null"),
		Task: orNull(emptyNil(string(r.Task))), VM: string(r.VM), PowerState: &power,
		Volumes: []any{}, Locked: &no, Tags: &[]string{}, Description: orNull(r.Description),
		Host: orNull(emptyNil(r.NodeName)), Hypervisor: orNull(emptyNil(r.NodeName)),
		Instance: ptr("instance-" + r.ID[:8]), HostName: &r.HostName, Reservation: &r.ReservationID,
		LaunchIndex: &r.LaunchIndex, KernelID: &empty, RamdiskID: &empty, RootDevice: ptr("/dev/vda"),
		UserDataOut: userDataOut(r.UserData), HostStatus: &empty, row: r,
	}
	if v.Status == "ACTIVE" || v.Status == "BUILD" || v.Status == "REBOOT" || v.Status == "HARD_REBOOT" {
		v.Progress = &zero
	}
	if r.Task == TaskNetworking || r.Task == TaskScheduling {
		v.Zone = &empty
	}
	if r.Task == TaskScheduling || r.Task == TaskNetworking || r.Task == TaskReleasing {
		v.Task = orNull(map[TaskState]*string{TaskReleasing: ptr(string(TaskDeleting)), TaskScheduling: ptr("scheduling"), TaskNetworking: ptr("networking")}[r.Task])
	}
	if r.VM == VMError {
		v.Fault = r.Fault
	}
	if len(addresses) > 0 {
		v.Groups = groupNames(r.Groups)
	}
	if r.Guest.Kernel != nil {
		v.KernelID = &r.Guest.Kernel.ID
	}
	if r.Guest.Ramdisk != nil {
		v.RamdiskID = &r.Guest.Ramdisk.ID
	}
	if r.NodeID != "" {
		v.HostStatus = ptr(map[bool]string{true: "UP", false: "DOWN"}[ready[r.NodeID]])
	}
	return v
}

// groupNames is the security groups of a server as users see them.
func groupNames(names []string) []map[string]string {
	if len(names) == 0 {
		names = []string{"default"}
	}
	out := make([]map[string]string, len(names))
	for i, n := range names {
		out[i] = map[string]string{"name": n}
	}
	return out
}

// addressMap is the addresses by the name of their network.
func addressMap(list []Address) map[string][]map[string]any {
	out := map[string][]map[string]any{}
	for _, a := range list {
		version := 4
		if a.Address.Is6() {
			version = 6
		}
		out[a.Network] = append(out[a.Network], map[string]any{
			"version": version, "addr": a.Address.String(),
			"OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": a.MAC,
		})
	}
	return out
}

// hostHash hides the host's name but tells servers on the same host apart from
// others, for the owner alone, as Nova makes it.
func hostHash(r *serverRow) string {
	if r.NodeName == "" {
		return ""
	}
	sum := sha256.Sum224([]byte(r.ProjectID + r.NodeName))
	return hex.EncodeToString(sum[:])
}

func links(c *api.Call, plural, id string) []map[string]string {
	return append([]map[string]string{{"rel": "self", "href": c.URL("/" + plural + "/" + id)}}, bookmark(c, plural, id)...)
}

func bookmark(c *api.Call, plural, id string) []map[string]string {
	return []map[string]string{{"rel": "bookmark", "href": c.Base() + "/" + plural + "/" + id}}
}

func ptr[T any](v T) *T { return &v }

func emptyNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// orNull is a text or null in JSON.
func orNull(s *string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}

// launchedAt is Nova's form of that time, which has no Z.
func launchedAt(t *time.Time) json.RawMessage {
	if t == nil {
		return json.RawMessage("null")
	}
	return orNull(ptr(t.Format("2006-01-02T15:04:05.000000")))
}
