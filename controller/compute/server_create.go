package compute

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// maxUserData is Nova's limit of user data before it is decoded, in bytes.
const maxUserData = 65535

// createServer checks everything that can be checked at once, writes the rows
// and leaves the rest to advance.
func (s *Service) createServer(ctx context.Context, c *api.Call, in *Server) (*Server, error) {
	row, err := s.plan(ctx, c, in)
	if err != nil {
		return nil, err
	}
	n, err := count(in)
	if err != nil {
		return nil, err
	}
	rows := copies(row, n)
	err = s.db.Transact(ctx, func(tx *store.Tx) error {
		for name, amount := range map[string]int{"instances": n, "cores": n * row.VCPUs, "ram": n * row.RAM} {
			if err := s.quotas.Reserve(ctx, tx, row.ProjectID, name, int64(amount)); err != nil {
				return err
			}
		}
		for i := range rows {
			if err := s.servers.In(tx).Insert(ctx, &rows[i]); err != nil {
				return err
			}
		}
		tx.After(s.wake)
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.Header().Set("Location", c.URL("/servers/"+rows[0].ID))
	return &Server{
		ID: rows[0].ID, Links: links(c, "servers", rows[0].ID), DiskConfig: "MANUAL",
		Groups: groupNames(row.Groups), AdminPass: newPassword(), row: &rows[0],
	}, nil
}

// copies makes n rows of one, each with its own id and, if there are several,
// its own name.
func copies(row *serverRow, n int) []serverRow {
	rows := make([]serverRow, n)
	for i := range rows {
		rows[i] = *row
		rows[i].ID, rows[i].LaunchIndex = cloud.NewID(), i
		if n > 1 {
			rows[i].Name = fmt.Sprintf("%s-%d", row.Name, i+1)
		}
		rows[i].HostName = hostNameOf(rows[i].Name, rows[i].ID)
		rows[i].Guest.Name = rows[i].HostName
	}
	return rows
}

// plan makes the row of a request, or says what is wrong with it.
func (s *Service) plan(ctx context.Context, c *api.Call, in *Server) (*serverRow, error) {
	now := s.clock()
	row := &serverRow{
		ProjectID: c.Caller.ProjectID, UserID: c.Caller.UserID, Name: strings.TrimSpace(in.Name),
		ReservationID: "r-" + strings.ToLower(newPassword()[:8]), Metadata: map[string]string{},
		VM: VMBuilding, Task: TaskScheduling, CreatedAt: now, UpdatedAt: now,
	}
	if in.Metadata != nil && *in.Metadata != nil {
		row.Metadata = *in.Metadata
	}
	if row.ProjectID == "" {
		return nil, cloud.Forbidden("A server needs a token with the scope of a project.")
	}
	steps := []func(context.Context, *api.Call, *Server, *serverRow) error{
		s.planFlavor, s.planImage, planDisks, planText, s.planZone, s.planKey, s.planGroups, s.planNetworks,
	}
	for _, step := range steps {
		if err := step(ctx, c, in, row); err != nil {
			return nil, err
		}
	}
	return row, checkMetadata(row.Metadata)
}

// planFlavor takes the size of the flavor.
func (s *Service) planFlavor(ctx context.Context, c *api.Call, in *Server, row *serverRow) error {
	ref := strings.Trim(string(in.FlavorRef), `"`)
	ref = ref[strings.LastIndex(ref, "/")+1:]
	f, err := s.flavors.Get(ctx, ref)
	if cloud.IsNotFound(err) || err == nil && !f.Public && !c.Caller.IsAdmin {
		return cloud.BadRequest("Flavor %s could not be found.", ref)
	}
	if err != nil {
		return err
	}
	row.FlavorID, row.VCPUs, row.RAM, row.Disk = *f.ID, f.VCPUs, f.RAM, f.Disk
	return nil
}

// planImage takes what the guest boots from the image and its properties.
func (s *Service) planImage(ctx context.Context, c *api.Call, in *Server, row *serverRow) error {
	ref := in.ImageRef[strings.LastIndex(in.ImageRef, "/")+1:]
	if ref == "" {
		return cloud.BadRequest("Invalid imageRef provided: servers boot from images; a volume as root disk is not offered.")
	}
	img, err := s.bootable(ctx, c.Caller, ref)
	if err != nil {
		return err
	}
	if img.MinRAMMiB > row.RAM {
		return cloud.BadRequest("Flavor's memory is too small for requested image.")
	}
	if row.Disk > 0 && (img.MinDiskGiB > row.Disk || img.Size > int64(row.Disk)<<30) {
		return cloud.BadRequest("Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", int64(row.Disk)<<30, img.Size)
	}
	row.ImageID = img.ID
	row.Guest = spec.Guest{
		Driver: spec.DriverQEMU, VCPUs: row.VCPUs, MemoryMiB: row.RAM, DiskGiB: row.Disk,
		Image: specImage(img), KernelArgs: img.Properties["os_command_line"],
	}
	switch t := strings.ToLower(img.Properties["img_hv_type"]); t {
	case "", "qemu", "kvm":
	case "lxc":
		// A container starts from a tree: the image's data is a tar archive.
		row.Guest.Driver, row.Guest.Image.Format = spec.DriverLXC, "root-tar"
	default:
		return cloud.BadRequest("Image property img_hv_type is %q; allowed: qemu, kvm, lxc.", t)
	}
	for property, to := range map[string]**spec.Image{"kernel_id": &row.Guest.Kernel, "ramdisk_id": &row.Guest.Ramdisk} {
		id := img.Properties[property]
		if id == "" {
			continue
		}
		part, err := s.bootable(ctx, c.Caller, id)
		if err != nil {
			return cloud.BadRequest("Image property %s: %v", property, err)
		}
		*to = ptr(specImage(part))
	}
	return nil
}

// bootFormats are the formats of images that hosts can open.
var bootFormats = []string{"raw", "qcow2", "iso", "aki", "ari", "ami"}

// bootable finds an image that has its data, in a format that hosts can open.
func (s *Service) bootable(ctx context.Context, caller *cloud.Caller, id string) (Image, error) {
	img, err := s.images.Image(ctx, caller, id)
	if cloud.IsNotFound(err) {
		return img, cloud.BadRequest("Image %s could not be found.", id)
	}
	if err == nil && img.Status != "active" {
		err = cloud.BadRequest("Image %s is not active.", id)
	}
	if err == nil && !slices.Contains(bootFormats, img.Format) {
		err = cloud.BadRequest("Image %s has the format %q; servers boot from: %s.", id, img.Format, strings.Join(bootFormats, ", "))
	}
	return img, err
}

func specImage(i Image) spec.Image {
	return spec.Image{ID: i.ID, Format: i.Format, Size: i.Size, SHA512: i.SHA512}
}

// planDisks accepts the one mapping that means the same as imageRef.
func planDisks(_ context.Context, _ *api.Call, in *Server, row *serverRow) error {
	if len(in.BlockDevices) == 0 || string(in.BlockDevices) == "null" {
		return nil
	}
	var list []struct {
		UUID        string `json:"uuid"`
		Source      string `json:"source_type"`
		Destination string `json:"destination_type"`
	}
	if err := json.Unmarshal(in.BlockDevices, &list); err != nil {
		return cloud.BadRequest("Invalid input for field/attribute block_device_mapping_v2. A list of objects is needed.")
	}
	for _, d := range list {
		if d.Source != "image" || d.Destination != "local" || d.UUID != row.ImageID {
			return cloud.BadRequest("Block Device Mapping is Invalid: only the image as local disk is offered.")
		}
	}
	return nil
}

// planText takes description and user data.
func planText(_ context.Context, c *api.Call, in *Server, row *serverRow) error {
	if c.Has("description") {
		if err := json.Unmarshal(in.Description, &row.Description); err != nil {
			return cloud.BadRequest("Invalid input for field/attribute description. Allowed: a text of at most 255 characters or null.")
		}
	}
	if in.UserDataIn == nil {
		return nil
	}
	if len(*in.UserDataIn) > maxUserData {
		return cloud.BadRequest("User data too large. User data must be no larger than 64KB once base64 encoded. Your data is %d bytes", len(*in.UserDataIn))
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(*in.UserDataIn), ""))
	if err != nil {
		return cloud.BadRequest("User data needs to be valid base 64.")
	}
	row.UserData = data
	return nil
}

// planZone takes the zone, and the host behind it where the caller may choose.
func (s *Service) planZone(_ context.Context, c *api.Call, in *Server, row *serverRow) error {
	row.Zone = zoneName
	if in.ZoneIn == nil || *in.ZoneIn == "" {
		return nil
	}
	zone, host, _ := strings.Cut(*in.ZoneIn, ":")
	if zone != "" && zone != zoneName {
		return cloud.BadRequest("The requested availability zone is not available")
	}
	host, node, named := strings.Cut(host, ":")
	if named && host == "" {
		host = node
	}
	if host == "" {
		return nil
	}
	if err := c.Allow(ruleForcedHost, policy.Target{"project_id": row.ProjectID}); err != nil {
		return err
	}
	row.ForcedHost = host
	return nil
}

// planKey takes the public key of the user's keypair.
func (s *Service) planKey(ctx context.Context, c *api.Call, in *Server, row *serverRow) error {
	if len(in.KeyName) == 0 || string(in.KeyName) == "null" {
		return nil
	}
	var name string
	if err := json.Unmarshal(in.KeyName, &name); err != nil {
		return cloud.BadRequest("Invalid key_name provided.")
	}
	k, err := s.keypairs.First(ctx, store.Eq("user_id", c.Caller.UserID), store.Eq("name", name))
	if cloud.IsNotFound(err) {
		return cloud.BadRequest("Invalid key_name provided.")
	}
	if err != nil {
		return err
	}
	row.KeyName, row.PublicKey = &k.Name, &k.PublicKey
	return nil
}

// planGroups takes the names of the security groups.
func (s *Service) planGroups(_ context.Context, c *api.Call, _ *Server, row *serverRow) error {
	row.Groups = []string{}
	raw := c.Raw("security_groups")
	if len(raw) == 0 {
		return nil
	}
	var list []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return cloud.BadRequest("Invalid input for field/attribute security_groups. A list of objects with a name is needed.")
	}
	for _, g := range list {
		row.Groups = append(row.Groups, g.Name)
	}
	return nil
}

// planNetworks takes what the server shall be attached to.
func (s *Service) planNetworks(ctx context.Context, c *api.Call, in *Server, row *serverRow) error {
	raw := bytes.TrimSpace(in.NetworksIn)
	row.Networks = []Attachment{}
	switch {
	case len(raw) == 0 && c.Since("2.37"):
		return cloud.BadRequest("Invalid input for field/attribute server. 'networks' is a required property")
	case len(raw) > 0 && raw[0] == '"':
		return s.planNamed(ctx, c, strings.Trim(string(raw), `"`), row)
	case len(raw) == 0 || string(raw) == "null" || string(raw) == "[]":
		return s.planAny(ctx, row)
	}
	var list []struct {
		UUID  string `json:"uuid"`
		Port  string `json:"port"`
		Fixed string `json:"fixed_ip"`
		Tag   string `json:"tag"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return cloud.BadRequest("Invalid input for field/attribute networks. A list of objects is needed.")
	}
	for _, n := range list {
		switch {
		case n.Port != "":
			n.UUID, n.Fixed = "", ""
		case !cloud.IsID(n.UUID):
			return cloud.BadRequest("Bad networks format: network uuid is not in proper format (%s)", n.UUID)
		}
		row.Networks = append(row.Networks, Attachment{NetworkID: n.UUID, PortID: n.Port, FixedIP: n.Fixed})
	}
	return asBadRequest(s.networks.Check(ctx, row.ProjectID, row.Networks, row.Groups))
}

// planNamed is networks as one word.
func (s *Service) planNamed(ctx context.Context, c *api.Call, word string, row *serverRow) error {
	switch {
	case !c.Since("2.37") || word != "auto" && word != "none":
		return cloud.BadRequest("Invalid input for field/attribute networks. Value: %s. Allowed: a list of objects, or auto or none from 2.37 on.", word)
	case word == "none":
		return nil
	}
	return s.planAny(ctx, row)
}

// planAny takes the project's only network.
func (s *Service) planAny(ctx context.Context, row *serverRow) error {
	all, err := s.networks.NetworksOf(ctx, row.ProjectID)
	if err != nil {
		return err
	}
	if len(all) > 1 {
		return cloud.Conflict("Multiple possible networks found, use a Network ID to be more specific.")
	}
	for _, id := range all {
		row.Networks = append(row.Networks, Attachment{NetworkID: id})
	}
	return asBadRequest(s.networks.Check(ctx, row.ProjectID, row.Networks, row.Groups))
}

// asBadRequest makes what is missing a mistake of the request: what does not
// exist is not the server that was asked for.
func asBadRequest(err error) error {
	if cloud.IsNotFound(err) {
		return cloud.BadRequest("%v", err)
	}
	return err
}

// count is how many servers are asked for: max_count, or min_count.
func count(in *Server) (int, error) {
	least, most := 1, 0
	for raw, to := range map[*json.RawMessage]*int{&in.MinCount: &least, &in.MaxCount: &most} {
		text := strings.Trim(string(*raw), `"`)
		if text == "" || text == "null" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0, cloud.BadRequest("Invalid input for field/attribute min_count or max_count. Value: %s. It must be 1 or more", text)
		}
		*to = n
	}
	if most == 0 {
		most = least
	}
	if least > most {
		return 0, cloud.BadRequest("min_count must be <= max_count")
	}
	return most, nil
}

// newPassword is random text of letters and digits. No guest is told it; the
// field has to be there.
func newPassword() string { return rand.Text()[:12] }
