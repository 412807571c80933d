package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// Bounds of request bodies. 114,688 bytes is what OpenStack's middleware
// allows; nothing that clients send nests deeper than a handful.
const (
	maxBody  = 114688
	maxDepth = 25
)

// readBody takes the request's body in and checks that it is one JSON value
// without surprises. An empty body is null.
func (c *Call) readBody() error {
	b, err := io.ReadAll(c.r.Body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return cloud.Errorf(cloud.KindTooLarge, "Request is too large.")
	}
	if err != nil {
		return cloud.BadRequest("The request body cannot be read.").Because(err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		c.body = json.RawMessage("null")
		return nil
	}
	if t := c.r.Header.Get("Content-Type"); !isJSON(t) {
		return cloud.Errorf(cloud.KindUnsupportedMedia, "The content type %s is not supported; allowed: application/json", short([]byte(t)))
	}
	if err := checkJSON(b); err != nil {
		return cloud.BadRequest("Malformed request body: %v", err)
	}
	c.body = b
	return nil
}

// isJSON tells whether a content type is one of JSON's; one that nobody gave
// is.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && strings.HasPrefix(t, "application/") && strings.Contains(t, "json")
}

// members takes c.body apart.
func (c *Call) members() error {
	c.present = nil
	if string(bytes.TrimSpace(c.body)) == "null" {
		return nil
	}
	if err := json.Unmarshal(c.body, &c.present); err != nil {
		return cloud.BadRequest("The request body must be an object.").Because(err)
	}
	return nil
}

// open takes the object in the envelope: {"server": {...}}.
func (c *Call) open(name string) error {
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(c.body, &outer); err != nil || outer == nil {
		return cloud.BadRequest("The request body must be an object with the member %q.", name)
	}
	inner, ok := outer[name]
	if !ok || len(inner) == 0 || inner[0] != '{' {
		return cloud.BadRequest("Invalid input for field/attribute %s: %q is a required property and must be an object.", name, name)
	}
	c.body = inner
	return c.members()
}

// checkJSON refuses what is not exactly one JSON value, what nests deeper
// than maxDepth, and objects with the same member twice: encoding/json takes
// the last one and matches names without case, so that two readers of one
// body could see two things.
func checkJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return errors.New("not valid JSON")
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if delim == '{' {
			name, err := d.Token()
			if err != nil {
				return errors.New("not valid JSON")
			}
			folded := strings.ToLower(fmt.Sprint(name))
			if seen[folded] {
				return fmt.Errorf("the member %q comes twice", name)
			}
			seen[folded] = true
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("not valid JSON")
	}
	return nil
}

func jsonBody(v any) (contentType string, body []byte) {
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte("{}")
	}
	return "application/json", b
}
