package trial

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
)

// A Hypervisor is how QEMU runs guests on a host.
type Hypervisor struct {
	Host   string
	Accel  string // kvm or tcg
	Reason string
}

// Hypervisors asks the cluster how QEMU runs guests on its hosts, by name.
// Nova's API has no place for it.
func Hypervisors(ctx context.Context, l Login) ([]Hypervisor, error) {
	p, err := l.authenticate(ctx)
	if err != nil {
		return nil, err
	}
	var body struct {
		Nodes []struct {
			Name        string `json:"name"`
			Hypervisors []struct {
				Driver string `json:"driver"`
				Accel  string `json:"accel"`
				Reason string `json:"reason"`
			} `json:"hypervisors"`
		} `json:"nodes"`
	}
	// It is no service of OpenStack, so the catalog has none of its kind.
	url := strings.TrimSuffix(l.URL, "/identity/v3") + "/cluster/v1/nodes"
	resp, err := p.Request(ctx, http.MethodGet, url, &gophercloud.RequestOpts{JSONResponse: &body, OkCodes: []int{http.StatusOK}})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	defer resp.Body.Close()
	var list []Hypervisor
	for _, n := range body.Nodes {
		for _, h := range n.Hypervisors {
			if h.Driver == "qemu" {
				list = append(list, Hypervisor{Host: n.Name, Accel: h.Accel, Reason: h.Reason})
			}
		}
	}
	slices.SortFunc(list, func(a, b Hypervisor) int { return strings.Compare(a.Host, b.Host) })
	return list, nil
}
