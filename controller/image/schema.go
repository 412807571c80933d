package image

import (
	"context"
	"maps"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
)

// schemaRoutes are the documents by which clients learn what an image is.
func schemaRoutes() []api.Route {
	image := imageSchema()
	member := map[string]any{"name": "member", "properties": map[string]any{
		"image_id": text("An identifier for the image"), "member_id": text("An identifier for the image member"),
		"status": text("The status of this image member"), "created_at": text("Date and time of image member creation"),
		"updated_at": text("Date and time of last modification"), "schema": text(""),
	}}
	docs := map[string]any{
		"/schemas/image": image, "/schemas/images": listSchema("images", image),
		"/schemas/member": member, "/schemas/members": listSchema("members", member),
		"/schemas/task": taskSchema(), "/schemas/tasks": listSchema("tasks", taskSchema()),
	}
	maps.Copy(docs, metadefSchemas())
	var routes []api.Route
	for path, doc := range docs {
		routes = append(routes, api.Route{Method: http.MethodGet, Path: path, Handle: func(_ context.Context, c *api.Call) error {
			return c.JSON(http.StatusOK, doc)
		}})
	}
	return routes
}

func imageSchema() map[string]any {
	nullable := func(kind, doc string) map[string]any {
		return map[string]any{"type": []string{"null", kind}, "description": doc}
	}
	readOnly := func(m map[string]any) map[string]any {
		m["readOnly"] = true
		return m
	}
	enum := func(m map[string]any, values ...any) map[string]any {
		m["enum"] = values
		return m
	}
	flag := map[string]any{"type": "boolean"}
	number := map[string]any{"type": "integer"}
	return map[string]any{
		"name": "image", "additionalProperties": map[string]any{"type": "string"},
		"properties": map[string]any{
			"id": text("An identifier for the image"), "name": nullable("string", "Descriptive name for the image"),
			"status":           readOnly(text("Status of the image")),
			"visibility":       enum(text("Scope of image accessibility"), "community", "public", "private", "shared"),
			"disk_format":      enum(nullable("string", "Format of the disk"), nil, "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso"),
			"container_format": enum(nullable("string", "Format of the container"), nil, "ami", "ari", "aki", "bare", "ovf", "ova", "docker"),
			"owner":            nullable("string", "Owner of the image"), "protected": flag, "os_hidden": flag, "min_disk": number, "min_ram": number,
			"size": readOnly(nullable("integer", "Size of image file in bytes")), "virtual_size": readOnly(nullable("integer", "Virtual size of image in bytes")),
			"checksum":      readOnly(nullable("string", "md5 hash of image contents.")),
			"os_hash_algo":  readOnly(nullable("string", "Algorithm to calculate the os_hash_value")),
			"os_hash_value": readOnly(nullable("string", "Hexdigest of the image contents using the algorithm specified by the os_hash_algo")),
			"tags":          map[string]any{"type": "array", "items": map[string]any{"type": "string", "maxLength": 255}},
			"created_at":    readOnly(text("Date and time of image registration")), "updated_at": readOnly(text("Date and time of the last image modification")),
			"self": readOnly(text("")), "file": readOnly(text("")), "schema": readOnly(text("")),
		},
		"links": []map[string]string{{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, {"rel": "describedby", "href": "{schema}"}},
	}
}

func text(doc string) map[string]any { return map[string]any{"type": "string", "description": doc} }

func listSchema(name string, item any) map[string]any {
	return map[string]any{"name": name, "properties": map[string]any{
		name: map[string]any{"type": "array", "items": item}, "schema": text(""), "first": text(""), "next": text(""),
	}}
}
