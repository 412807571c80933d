package apitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/api"
)

// unknownMethod asks with a method that nothing has.
func (c *conformance) unknownMethod() {
	c.want(http.StatusMethodNotAllowed, "BREW", c.path, admin())
	if slices.Contains(c.info.Ops, api.OpShow) {
		c.want(http.StatusMethodNotAllowed, "BREW", c.path+"/x", admin())
	}
}

const typeJSON = "application/json"

// hostileBodies sends what no body should be.
func (c *conformance) hostileBodies() {
	if !slices.Contains(c.info.Ops, api.OpCreate) {
		return
	}
	for what, x := range map[string]struct {
		contentType, body string
		want              int
	}{
		"too large":         {typeJSON, c.envelope(`"name": "` + strings.Repeat("x", 120_000) + `"`), http.StatusRequestEntityTooLarge},
		"too deep":          {typeJSON, c.envelope(`"name": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), http.StatusBadRequest},
		"of another type":   {"text/plain", c.envelope(`"name": "x"`), http.StatusUnsupportedMediaType},
		"a form":            {"application/x-www-form-urlencoded", "name=x", http.StatusUnsupportedMediaType},
		"no JSON":           {typeJSON, `{"`, http.StatusBadRequest},
		"two values":        {typeJSON, c.envelope("") + "{}", http.StatusBadRequest},
		"no object":         {typeJSON, `[]`, http.StatusBadRequest},
		"the same twice":    {typeJSON, c.envelope(`"name": "x", "name": "y"`), http.StatusBadRequest},
		"twice by its case": {typeJSON, c.envelope(`"name": "x", "NAME": "y"`), http.StatusBadRequest},
	} {
		if w := c.send(http.MethodPost, c.path, admin(), x.contentType, x.body); w.Code != x.want {
			c.t.Errorf("POST %s, a body that is %s: status %d, want %d: %s", c.path, what, w.Code, x.want, w.Body)
		}
	}
}

// envelope puts members into the resource's envelope, if it has one.
func (c *conformance) envelope(members string) string {
	if c.info.Flat {
		return "{" + members + "}"
	}
	return fmt.Sprintf("{%q: {%s}}", c.info.Name, members)
}

// wrongValues sets each field to null, if it may not be, and to what is not of
// its type.
func (c *conformance) wrongValues() {
	for _, f := range c.info.Fields {
		if f.Inline || f.Since != "" || f.SetAdmin || f.Type == "any" {
			continue
		}
		values := []string{}
		if !f.Null {
			values = append(values, "null")
		}
		if f.Type != "array" && f.Type != "object" {
			values = append(values, `[[{"x": 1}]]`)
		}
		for _, v := range values {
			body := c.envelope(fmt.Sprintf("%q: %s", f.Name, v))
			if f.Create && slices.Contains(c.info.Ops, api.OpCreate) {
				c.refuses(http.MethodPost, c.path, body)
			}
			if one := c.first(); f.Update && one != "" {
				c.refuses(c.puts, one, body)
			}
		}
	}
}

func (c *conformance) refuses(method, path, body string) {
	c.t.Helper()
	if w := c.send(method, path, admin(), typeJSON, body); w.Code != http.StatusBadRequest {
		c.t.Errorf("%s %s %s: status %d, want 400: %s", method, path, body, w.Code, w.Body)
	}
}

// first is the path of a row that can be updated; empty if there is none.
func (c *conformance) first() string {
	if !slices.Contains(c.info.Ops, api.OpUpdate) || !slices.Contains(c.info.Ops, api.OpList) {
		return ""
	}
	if ids := c.ids("?limit=1"); len(ids) > 0 {
		return c.path + "/" + ids[0]
	}
	return ""
}

// emptyUpdate changes nothing, and nothing has changed then: absent is neither
// null nor zero.
func (c *conformance) emptyUpdate() {
	one := c.first()
	if one == "" {
		return
	}
	before := c.members(one)
	allowed := []int{http.StatusOK, http.StatusBadRequest, http.StatusForbidden} // some rows are nobody's to change
	if w := c.send(c.puts, one, admin(), typeJSON, c.envelope("")); !slices.Contains(allowed, w.Code) {
		c.t.Errorf("%s %s with nothing in it: status %d: %s", c.puts, one, w.Code, w.Body)
	}
	if diff := cmp.Diff(before, c.members(one)); diff != "" {
		c.t.Errorf("%s %s with nothing in it changed (-before +after):\n%s", c.puts, one, diff)
	}
}

// members are the members of a resource but for its times of change.
func (c *conformance) members(path string) map[string]any {
	w := c.ask(http.MethodGet, path, admin())
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		c.t.Fatalf("GET %s: status %d: %v", path, w.Code, err)
	}
	if inner, ok := body[c.info.Name].(map[string]any); ok && !c.info.Flat {
		body = inner
	}
	delete(body, "updated_at")
	delete(body, "revision_number")
	return body
}
