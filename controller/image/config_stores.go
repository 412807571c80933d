package image

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/cairn-cloud/cairn/controller/image/blob"
)

// A StoreConfig is one store.
type StoreConfig struct {
	ID          string `json:"id"`
	Type        string `json:"type"` // file, s3
	Description string `json:"description"`

	Path string `json:"path"` // of a file store; empty: images, below the service's directory

	Endpoint   string `json:"endpoint"` // of an S3 store: host or host:port, over TLS alone
	Region     string `json:"region"`
	Bucket     string `json:"bucket"` // has to exist
	Prefix     string `json:"prefix"`
	AccessKey  string `json:"access_key"`
	SecretFile string `json:"secret_key_file"` // not to be read by everybody
	CA         string `json:"ca"`              // PEM file; empty: the system's
}

// storeName is what stores may be called: clients separate them by commas.
var storeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// storeConfigs are the stores that there are, the default one first. Without
// any in the configuration it is files of this machine.
func (c *Config) storeConfigs() []StoreConfig {
	list := slices.Clone(c.Stores)
	if len(list) == 0 {
		list = []StoreConfig{{ID: storeID, Type: "file", Description: "files of the controller"}}
	}
	first := func(s StoreConfig) bool { return s.ID == c.DefaultStore }
	slices.SortStableFunc(list, func(a, b StoreConfig) int {
		return cmp.Compare(map[bool]int{true: 0, false: 1}[first(a)], map[bool]int{true: 0, false: 1}[first(b)])
	})
	return list
}

// checkStores tells what is wrong with the stores, without touching them.
func (c *Config) checkStores() error {
	var errs []error
	var ids []string
	for i, s := range c.storeConfigs() {
		switch {
		case !storeName.MatchString(s.ID):
			errs = append(errs, fmt.Errorf("stores[%d].id %q; allowed: letters, digits, _, . and -", i, s.ID))
		case slices.Contains(ids, s.ID):
			errs = append(errs, fmt.Errorf("stores[%d].id %q is there twice", i, s.ID))
		case s.Type != "file" && s.Type != "s3":
			errs = append(errs, fmt.Errorf("stores[%d].type %q; allowed: file, s3", i, s.Type))
		case s.Type == "file" && s.ID != storeID && !filepath.IsAbs(s.Path):
			errs = append(errs, fmt.Errorf("stores[%d].path %q; allowed: an absolute path", i, s.Path))
		case s.Type == "s3" && (s.Endpoint == "" || s.Bucket == "" || s.AccessKey == "" || s.SecretFile == ""):
			errs = append(errs, fmt.Errorf("stores[%d]: endpoint, bucket, access_key and secret_key_file are needed for s3", i))
		}
		ids = append(ids, s.ID)
	}
	if c.DefaultStore != "" && !slices.Contains(ids, c.DefaultStore) {
		errs = append(errs, fmt.Errorf("default_store %q; allowed: %v", c.DefaultStore, ids))
	}
	return errors.Join(errs...)
}

// openStores opens all stores; dir is where files are that nobody says
// anything else of.
func (c *Config) openStores(dir string) (stores, error) {
	var all stores
	for _, s := range c.storeConfigs() {
		b := backend{id: s.ID, kind: s.Type, about: s.Description, properties: map[string]any{}}
		var err error
		switch s.Type {
		case "s3":
			b.properties = map[string]any{"s3_store_host": "https://" + s.Endpoint, "s3_store_bucket": s.Bucket}
			b.Store, err = blob.OpenS3(blob.S3Options{
				Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix, AccessKey: s.AccessKey, SecretFile: s.SecretFile, CA: s.CA,
			})
		default:
			path := cmp.Or(s.Path, dir)
			b.properties = map[string]any{"data_dir": path}
			b.Store, err = blob.OpenFile(path)
		}
		if err != nil {
			return nil, fmt.Errorf("store %s: %w", s.ID, err)
		}
		all = append(all, b)
	}
	return all, nil
}
