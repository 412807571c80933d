package trial

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/hypervisors"
)

// A Login is somebody who may use a cloud.
type Login struct {
	URL      string // of identity
	User     string
	Password string
	Project  string // name
	Domain   string // name, of user and project
	HTTP     *http.Client
}

// A session is a login with its token and its services.
type session struct {
	provider *gophercloud.ProviderClient
	identity *gophercloud.ServiceClient
	image    *gophercloud.ServiceClient
	network  *gophercloud.ServiceClient
	compute  *gophercloud.ServiceClient
}

// authenticate logs in.
func (l Login) authenticate(ctx context.Context) (*gophercloud.ProviderClient, error) {
	p, err := openstack.NewClient(l.URL)
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", l.User, err)
	}
	p.HTTPClient = *l.HTTP
	err = openstack.Authenticate(ctx, p, gophercloud.AuthOptions{
		IdentityEndpoint: l.URL, Username: l.User, Password: l.Password, AllowReauth: true,
		TenantName: l.Project, DomainName: l.Domain,
	})
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", l.User, err)
	}
	return p, nil
}

// open logs in and looks the services up in the catalog.
func (l Login) open(ctx context.Context) (*session, error) {
	p, err := l.authenticate(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{provider: p}
	for _, service := range []struct {
		to   **gophercloud.ServiceClient
		open func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
		name string
	}{
		{&s.identity, openstack.NewIdentityV3, "identity"},
		{&s.image, openstack.NewImageV2, "image"},
		{&s.network, openstack.NewNetworkV2, "network"},
		{&s.compute, openstack.NewComputeV2, "compute"},
	} {
		if *service.to, err = service.open(p, gophercloud.EndpointOpts{}); err != nil {
			return nil, fmt.Errorf("%s in the catalog: %w", service.name, err)
		}
	}
	s.compute.Microversion = "2.37"
	return s, nil
}

// A Host is a machine that runs servers.
type Host struct {
	Name    string
	Address string // on the management network
	Up      bool
}

// Hosts lists the machines that run servers.
func Hosts(ctx context.Context, l Login) ([]Host, error) {
	s, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	return s.hosts(ctx)
}

func (s *session) hosts(ctx context.Context) ([]Host, error) {
	pages, err := hypervisors.List(s.compute, nil).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	list, err := hypervisors.ExtractHypervisors(pages)
	if err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	hosts := make([]Host, 0, len(list))
	for _, h := range list {
		hosts = append(hosts, Host{Name: h.HypervisorHostname, Address: h.HostIP, Up: h.State == "up" && h.Status == "enabled"})
	}
	return hosts, nil
}
