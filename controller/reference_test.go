package controller_test

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/reference"
	"github.com/cairn-cloud/cairn/controller/internal/testcloud"
)

// TestReference keeps the pages of the reference the same as the descriptions;
// CAIRN_UPDATE=1 writes them anew.
func TestReference(t *testing.T) {
	c := testcloud.New(t, testcloud.Options{})
	for _, s := range c.API.Services() {
		ops := slices.DeleteFunc(c.API.Operations(), func(o api.Operation) bool { return o.Service != s.Name })
		slices.SortStableFunc(ops, func(a, b api.Operation) int {
			if a.Resource != "" || b.Resource != "" {
				return 0 // as described
			}
			return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
		})
		golden(t, filepath.Join("reference", s.Name+".md"), reference.Page(s, ops, c.API.Rules(s.Name)))
	}
}
