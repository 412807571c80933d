package image

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cairn-cloud/cairn/controller/image/convert"
	"github.com/cairn-cloud/cairn/controller/image/fetch"
)

// Config is the part of the controller's configuration that is the image
// service's; all of it may be absent.
type Config struct {
	MaxSize int64 `json:"max_size"` // bytes of one image; 0: DefaultMaxSize
	// Limits hold for projects that have none of their own, by the names of
	// Glance's limits (see [LimitNames]); absent: unlimited.
	Limits      map[string]int64 `json:"limits"`
	Workers     int              `json:"workers"`      // imports at once; 0: 4
	WebDownload *WebDownload     `json:"web_download"` // absent: nothing is downloaded for anybody
	Conversion  *Conversion      `json:"conversion"`   // absent: images stay what they are

	Stores       []StoreConfig `json:"stores"`        // empty: files of the controller
	DefaultStore string        `json:"default_store"` // empty: the first of them
	Cache        *CacheConfig  `json:"cache"`         // of what is in no store of this machine; absent: none
}

// DefaultMaxSize is how large an image may be where nobody says otherwise.
const DefaultMaxSize = 1 << 40

// defaultWorkers is how many imports run at once where nobody says otherwise.
const defaultWorkers = 4

// WebDownload turns the import method web-download on, and says where it may
// go; see [fetch.Options] for what holds in any case.
type WebDownload struct {
	Schemes      []string       `json:"schemes"`
	Ports        []int          `json:"ports"`
	Hosts        []string       `json:"hosts"`
	RefusedHosts []string       `json:"refused_hosts"`
	Networks     []netip.Prefix `json:"networks"`         // not public, and may be reached
	Refused      []netip.Prefix `json:"refused_networks"` // public, and may not
	MaxRedirects int            `json:"max_redirects"`
	TimeoutS     int            `json:"timeout_s"`
}

// Conversion has imports make one format of all disks, as Glance's plugin
// image_conversion does.
type Conversion struct {
	OutputFormat string `json:"output_format"` // raw, qcow2, vmdk
	Program      string `json:"program"`       // empty: qemu-img
	MemoryMiB    int64  `json:"memory_mib"`    // 0: 1024
	CPUS         int    `json:"cpu_s"`         // of the processor; 0: 30 minutes
	TimeoutS     int    `json:"timeout_s"`     // 0: 2 hours
}

// A CacheConfig is where copies of images are kept, and how much of them.
type CacheConfig struct {
	Path   string `json:"path"` // empty: cache, below the service's directory
	MaxMiB int64  `json:"max_mib"`
	PauseS *int   `json:"pause_s"` // before the queue is looked at; absent: 10
}

// pause is how long a queue is left alone.
func (c *CacheConfig) pause() time.Duration {
	if c.PauseS == nil {
		return 10 * time.Second
	}
	return time.Duration(*c.PauseS) * time.Second
}

// Check tells what is wrong with the values.
func (c *Config) Check() error {
	var errs []error
	for name, limit := range c.Limits {
		if _, ok := unlimited()[name]; !ok || limit < -1 {
			errs = append(errs, fmt.Errorf("limits.%s %d; allowed: %v, each -1 (no limit) or more", name, limit, LimitNames()))
		}
	}
	if c.MaxSize < 0 || c.Workers < 0 {
		errs = append(errs, fmt.Errorf("max_size %d, workers %d; allowed: 0 (the default) or more", c.MaxSize, c.Workers))
	}
	if _, err := c.fetcher(); err != nil {
		errs = append(errs, fmt.Errorf("web_download: %w", err))
	}
	if c.Cache != nil && c.Cache.PauseS != nil && *c.Cache.PauseS < 0 {
		errs = append(errs, fmt.Errorf("cache.pause_s %d; allowed: 0 and more", *c.Cache.PauseS))
	}
	errs = append(errs, c.checkStores())
	if c.Cache != nil && (c.Cache.MaxMiB < 1 || c.Cache.MaxMiB > 1<<40) {
		errs = append(errs, fmt.Errorf("cache.max_mib %d; allowed: 1 and more", c.Cache.MaxMiB))
	}
	if v := c.Conversion; v != nil && v.OutputFormat != "raw" && v.OutputFormat != "qcow2" && v.OutputFormat != "vmdk" {
		errs = append(errs, fmt.Errorf("conversion.output_format %q; allowed: raw, qcow2, vmdk", v.OutputFormat))
	}
	return errors.Join(errs...)
}

// converter is what converts.
func (c *Conversion) converter() (*convert.Converter, error) {
	return convert.New(convert.Options{
		Program: c.Program, Memory: c.MemoryMiB << 20, CPU: time.Duration(c.CPUS) * time.Second, Timeout: time.Duration(c.TimeoutS) * time.Second,
	})
}

// complete fills in the defaults.
func (c Config) complete() Config {
	if c.MaxSize == 0 {
		c.MaxSize = DefaultMaxSize
	}
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	return c
}

// fetcher is what downloads; nil if nothing does.
func (c *Config) fetcher() (*fetch.Client, error) {
	w := c.WebDownload
	if w == nil {
		return nil, nil //nolint:nilnil // nothing is what was asked for
	}
	return fetch.New(fetch.Options{
		Schemes: w.Schemes, Ports: w.Ports, Hosts: w.Hosts, RefusedHosts: w.RefusedHosts, Networks: w.Networks, Refused: w.Refused,
		MaxRedirects: w.MaxRedirects, MaxSize: c.complete().MaxSize, Timeout: time.Duration(w.TimeoutS) * time.Second,
	})
}
