package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Metadata services, in OpenStack's form and in that of EC2.
const (
	openstackURL = "http://169.254.169.254/openstack/latest/meta_data.json"
	ec2URL       = "http://169.254.169.254/latest/meta-data/instance-id"
)

// metadata is what a server learns about itself, as far as we want it.
type metadata struct {
	Name string            `json:"name"`
	UUID string            `json:"uuid"`
	Meta map[string]string `json:"meta,omitempty"`
	EC2  string            `json:"ec2_id,omitempty"`
}

// summary is what the console shows.
func (m *metadata) summary() string {
	raw, err := json.Marshal(metadata{Name: m.Name, UUID: m.UUID, EC2: m.EC2})
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// readMetadata asks both services. The second one need not be there.
func readMetadata(ctx context.Context) (*metadata, error) {
	raw, err := fetch(ctx, openstackURL)
	if err != nil {
		return nil, err
	}
	var m metadata
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", openstackURL, err)
	}
	if id, err := fetch(ctx, ec2URL); err == nil {
		m.EC2 = string(id)
	}
	return &m, nil
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, 1<<20))
}
