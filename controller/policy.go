package controller

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/policy"
)

// policyFiles is the directory with the operator's rules: a file for each
// service, "compute.yaml", that has rules of its own.
type policyFiles string

// read reads them; a directory that is not there is an empty one. A file that
// belongs to no service is an error: somebody relies on it.
func (d policyFiles) read() (map[string][]policy.Override, error) {
	if d == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	all := map[string][]policy.Override{}
	var errs []error
	for _, e := range entries {
		file := filepath.Join(string(d), e.Name())
		service, isYAML := strings.CutSuffix(e.Name(), ".yaml")
		if !isYAML || !slices.Contains(services, service) {
			errs = append(errs, fmt.Errorf("rules: %s belongs to no service; allowed: %v, with .yaml", file, services))
			continue
		}
		list, err := policy.ReadFile(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("rules: %w", err))
		}
		all[service] = list
	}
	return all, errors.Join(errs...)
}
