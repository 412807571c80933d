package controller_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/cairn-cloud/cairn/controller/internal/testcloud"
)

// clients are a stranger's: gophercloud with what the catalog says.
type clients struct{ compute, network, image *gophercloud.ServiceClient }

func signIn(t *testing.T, c *testcloud.Cloud) clients {
	t.Helper()
	ctx := t.Context()
	p, err := openstack.NewClient(c.URL + "/identity/v3")
	if err != nil {
		t.Fatal(err)
	}
	p.HTTPClient = *c.Client()
	err = openstack.Authenticate(ctx, p, gophercloud.AuthOptions{
		IdentityEndpoint: c.URL + "/identity/v3", Username: "admin", Password: c.Password, DomainID: "default", TenantName: "admin", AllowReauth: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out clients
	region := gophercloud.EndpointOpts{Region: "RegionOne"}
	for to, f := range map[**gophercloud.ServiceClient]func() (*gophercloud.ServiceClient, error){
		&out.compute: func() (*gophercloud.ServiceClient, error) { return openstack.NewComputeV2(p, region) },
		&out.network: func() (*gophercloud.ServiceClient, error) { return openstack.NewNetworkV2(p, region) },
		&out.image:   func() (*gophercloud.ServiceClient, error) { return openstack.NewImageV2(p, region) },
	} {
		if *to, err = f(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// prepare makes a network with a subnet and an image.
func (c clients) prepare(t *testing.T) (network, image string) {
	t.Helper()
	ctx := t.Context()
	n, err := networks.Create(ctx, c.network, networks.CreateOpts{Name: "blue"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := subnets.Create(ctx, c.network, subnets.CreateOpts{NetworkID: n.ID, CIDR: "10.0.0.0/24", IPVersion: 4}).Extract(); err != nil {
		t.Fatal(err)
	}
	img, err := images.Create(ctx, c.image, images.CreateOpts{Name: "tiny", DiskFormat: "raw", ContainerFormat: "bare"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if err := imagedata.Upload(ctx, c.image, img.ID, strings.NewReader(strings.Repeat("x", 1<<20))).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	return n.ID, img.ID
}

// untilStatus waits until a server has a status; "" means that it is gone.
func (c clients) untilStatus(t *testing.T, cloud *testcloud.Cloud, id, status string) *servers.Server {
	t.Helper()
	var last *servers.Server
	cloud.Until("server "+id+" is "+status, func(ctx context.Context) (bool, error) {
		s, err := servers.Get(ctx, c.compute, id).Extract()
		if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			return status == "", nil
		}
		if err != nil {
			return false, err
		}
		last = s
		return s.Status == status, nil
	})
	return last
}

// TestAServersLife is what a stranger's client does with a cloud, with the
// controller gone and back between the steps.
func TestAServersLife(t *testing.T) {
	cloud := testcloud.New(t, testcloud.Options{Nodes: 2})
	c := signIn(t, cloud)
	ctx := t.Context()
	network, image := c.prepare(t)
	if _, err := keypairs.Create(ctx, c.compute, keypairs.CreateOpts{Name: "k"}).Extract(); err != nil {
		t.Fatal(err)
	}
	restart := func() {
		cloud.Stop()
		cloud.Start()
	}
	s, err := servers.Create(ctx, c.compute, keypairs.CreateOptsExt{KeyName: "k", CreateOptsBuilder: servers.CreateOpts{
		Name: "one", ImageRef: image, FlavorRef: "1", Networks: []servers.Network{{UUID: network}},
	}}, nil).Extract()
	if err != nil {
		t.Fatal(err)
	}
	restart()
	got := c.untilStatus(t, cloud, s.ID, "ACTIVE")
	if len(got.Addresses) != 1 {
		t.Errorf("addresses: %v", got.Addresses)
	}
	for _, step := range []struct {
		do     func() error
		status string
	}{
		{func() error { return servers.Stop(ctx, c.compute, s.ID).ExtractErr() }, "SHUTOFF"},
		{func() error { return servers.Start(ctx, c.compute, s.ID).ExtractErr() }, "ACTIVE"},
		{func() error {
			return servers.Reboot(ctx, c.compute, s.ID, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr()
		}, "ACTIVE"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		restart()
		c.untilStatus(t, cloud, s.ID, step.status)
	}
	log, err := servers.ShowConsoleOutput(ctx, c.compute, s.ID, servers.ShowConsoleOutputOpts{Length: 10}).Extract()
	if err != nil || !strings.Contains(log, s.ID) {
		t.Errorf("console: %q, %v", log, err)
	}
	if err := servers.Delete(ctx, c.compute, s.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	restart()
	c.untilStatus(t, cloud, s.ID, "")
	pages, err := ports.List(c.network, ports.ListOpts{DeviceID: s.ID}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := ports.ExtractPorts(pages); err != nil || len(left) != 0 {
		t.Errorf("ports that are left: %v, %v", left, err)
	}
	if err := networks.Delete(ctx, c.network, network).ExtractErr(); err != nil {
		t.Errorf("delete the network: %v", err)
	}
}

// TestServersAreSpread puts servers on all nodes.
func TestServersAreSpread(t *testing.T) {
	cloud := testcloud.New(t, testcloud.Options{Nodes: 3})
	c := signIn(t, cloud)
	network, image := c.prepare(t)
	hosts := map[string]int{}
	for range 3 {
		s, err := servers.Create(t.Context(), c.compute, servers.CreateOpts{
			Name: "s", ImageRef: image, FlavorRef: "42", Networks: []servers.Network{{UUID: network}},
		}, nil).Extract()
		if err != nil {
			t.Fatal(err)
		}
		c.untilStatus(t, cloud, s.ID, "ACTIVE")
		var shown struct {
			Host string `json:"OS-EXT-SRV-ATTR:host"`
		}
		if err := servers.Get(t.Context(), c.compute, s.ID).ExtractInto(&shown); err != nil {
			t.Fatal(err)
		}
		hosts[shown.Host]++
	}
	if len(hosts) != 3 {
		t.Errorf("3 servers on 3 nodes are on %v", hosts)
	}
}

func TestThePageAtTheRootSaysWhatThisIs(t *testing.T) {
	cloud := testcloud.New(t, testcloud.Options{})
	res, err := cloud.Client().Get(cloud.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), "/identity/v3") {
		t.Errorf("%s, %v: %s", res.Status, err, text)
	}
}
