package image

import (
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// Whatever a patch is, it is refused for the client's eyes or names fields and
// operations that there are.
func FuzzPatch(f *testing.F) {
	f.Add([]byte(`[{"op": "add", "path": "/a~1b", "value": "x"}]`), false)
	f.Add([]byte(`[{"replace": "/name", "value": null}, {"remove": "/x"}]`), true)
	f.Add([]byte(`[{"op": "remove", "path": "/~"}]`), false)
	f.Add([]byte(`[null]`), true)
	f.Fuzz(func(t *testing.T, body []byte, old bool) {
		changes, err := parsePatch(body, old)
		if err != nil {
			if k := cloud.KindOf(err); k != cloud.KindBadRequest && k != cloud.KindForbidden {
				t.Errorf("%v is of the kind %s", err, k)
			}
			return
		}
		for _, ch := range changes {
			takes, known := operations[ch.Op]
			if !known || ch.Name == "" || takes && ch.Value == nil {
				t.Errorf("%s: %+v", strings.ToValidUTF8(string(body), "?"), ch)
			}
		}
	})
}
