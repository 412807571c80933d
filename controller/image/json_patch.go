package image

import (
	"encoding/json"
	"mime"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A change is one operation of a patch: RFC 6902's add, remove and replace,
// whose path names a field.
type change struct {
	Op    string
	Name  string          // of the field or property
	Value json.RawMessage // nil for remove
}

// The two media types of patches. The older one has the operation's name in
// place of "op" and "path": {"replace": "/name", "value": "x"}.
const (
	patchV20 = "application/openstack-images-v2.0-json-patch"
	patchV21 = "application/openstack-images-v2.1-json-patch"
)

// operations are what a patch may do, and whether that takes a value.
var operations = map[string]bool{"add": true, "replace": true, "remove": false}

// changesOf reads the body.
func changesOf(c *api.Call) ([]change, error) {
	kind, _, err := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	if err != nil || kind != patchV20 && kind != patchV21 {
		c.Header().Set("Accept-Patch", patchV20+","+patchV21)
		return nil, cloud.Errorf(cloud.KindUnsupportedMedia, "The Content-Type %.64q is not allowed; allowed: %s, %s.", kind, patchV21, patchV20)
	}
	return parsePatch(c.Body(), kind == patchV20)
}

// parsePatch takes a patch apart.
func parsePatch(body []byte, old bool) ([]change, error) {
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil || list == nil {
		return nil, cloud.BadRequest("Request body must be a JSON array of operation objects.")
	}
	changes := make([]change, 0, len(list))
	for _, o := range list {
		ch, err := parseChange(o, old)
		if err != nil {
			return nil, err
		}
		changes = append(changes, ch)
	}
	return changes, nil
}

// parseChange reads one operation.
func parseChange(o map[string]json.RawMessage, old bool) (ch change, err error) {
	var path string
	if old {
		ch.Op, path, err = oldOperation(o)
	} else {
		ch.Op, path, err = operation(o)
	}
	if err != nil {
		return ch, err
	}
	takes, known := operations[ch.Op]
	if !known {
		return ch, cloud.BadRequest("The operation %.32q is unknown; allowed: add, replace, remove.", ch.Op)
	}
	value, given := o["value"]
	switch {
	case takes && !given:
		return ch, cloud.BadRequest("The operation %s on %.64s has no value.", ch.Op, path)
	case takes:
		ch.Value = value
	}
	ch.Name, err = nameOf(path)
	return ch, err
}

// operation is that of a patch of today.
func operation(o map[string]json.RawMessage) (op, path string, err error) {
	if json.Unmarshal(o["op"], &op) != nil {
		return "", "", cloud.BadRequest("An operation of the patch has no op; allowed: add, replace, remove.")
	}
	if json.Unmarshal(o["path"], &path) != nil {
		return "", "", cloud.BadRequest("The operation %.32q of the patch has no path.", op)
	}
	return op, path, nil
}

// oldOperation is that of a patch of the older media type.
func oldOperation(o map[string]json.RawMessage) (op, path string, err error) {
	for name := range operations {
		raw, ok := o[name]
		switch {
		case !ok:
		case op != "":
			return "", "", cloud.BadRequest("An operation of the patch is %s and %s at once; allowed: one of them.", op, name)
		case json.Unmarshal(raw, &path) != nil:
			return "", "", cloud.BadRequest("The path of the operation %s is no text.", name)
		default:
			op = name
		}
	}
	if op == "" {
		return "", "", cloud.BadRequest("An operation of the patch has no name; allowed: add, replace, remove.")
	}
	return op, path, nil
}

// nameOf is the field or property of a path, which is a JSON pointer with one
// step (RFC 6901): ~1 stands for a slash and ~0 for a tilde.
func nameOf(path string) (string, error) {
	name, ok := strings.CutPrefix(path, "/")
	first, _, deep := strings.Cut(name, "/")
	switch {
	case !ok || name == "":
		return "", cloud.BadRequest("The path %.64q of a patch is not allowed; allowed: /NAME.", path)
	case deep && (first == "locations" || first == "tags"):
		return first, cloud.Forbidden("Parts of %s cannot be changed; allowed: /NAME.", first)
	case deep:
		return "", cloud.BadRequest("The path %.64q of a patch is not allowed; allowed: /NAME.", path)
	case strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(name), "~"):
		return "", cloud.BadRequest("The path %.64q of a patch has a ~ that is neither ~0 nor ~1.", path)
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(name), nil
}
