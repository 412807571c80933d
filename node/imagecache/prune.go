package imagecache

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Prune removes images that are not in keep, by digest, and that nobody has
// asked for since before, and pieces of such whose fetching was given up. It
// returns how many bytes that has freed.
func (c *Cache) Prune(keep map[string]bool, before time.Time) (int64, error) {
	files, err := os.ReadDir(c.options.Dir)
	if err != nil {
		return 0, err
	}
	var freed int64
	var errs []error
	for _, f := range files {
		st, err := f.Info()
		name := strings.TrimSuffix(f.Name(), partSuffix)
		if err != nil || keep[name] || !digest.MatchString(name) || st.ModTime().After(before) {
			continue
		}
		if err := os.Remove(filepath.Join(c.options.Dir, f.Name())); err != nil {
			errs = append(errs, err)
			continue
		}
		freed += st.Size()
	}
	return freed, errors.Join(errs...)
}
