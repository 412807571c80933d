package image

// metadefSchemas are the documents that say what definitions of metadata are
// made of, by their paths.
func metadefSchemas() map[string]any {
	property := definition()
	object := document("object", map[string]any{
		"name": short(80), "description": text("What the object is for"), "required": texts(),
		"properties": map[string]any{"type": "object", "additionalProperties": property},
		"created_at": timestamp(), "updated_at": timestamp(), "self": readOnlyText(), "schema": readOnlyText(),
	}, "name")
	tag := document("tag", map[string]any{"name": short(80), "created_at": timestamp(), "updated_at": timestamp()}, "name")
	association := document("resource_type_association", map[string]any{
		"name": short(80), "prefix": short(80), "properties_target": short(80), "created_at": timestamp(), "updated_at": timestamp(),
	}, "name")
	namespace := document("namespace", map[string]any{
		"namespace": short(80), "display_name": short(80), "description": short(500), "owner": short(64),
		"visibility": map[string]any{"type": "string", "enum": []string{"public", "private"}}, "protected": map[string]any{"type": "boolean"},
		"resource_type_associations": list(association), "objects": list(object), "tags": list(tag),
		"properties": map[string]any{"type": "object", "additionalProperties": property},
		"created_at": timestamp(), "updated_at": timestamp(), "self": readOnlyText(), "schema": readOnlyText(),
	}, "namespace")
	property = definition()
	property["properties"].(map[string]any)["name"] = short(80)
	properties := listSchema("properties", property)
	properties["properties"].(map[string]any)["properties"] = map[string]any{"type": "object", "additionalProperties": property}
	return map[string]any{
		"/schemas/metadefs/namespace": namespace, "/schemas/metadefs/namespaces": listSchema("namespaces", namespace),
		"/schemas/metadefs/object": object, "/schemas/metadefs/objects": listSchema("objects", object),
		"/schemas/metadefs/property": property, "/schemas/metadefs/properties": properties,
		"/schemas/metadefs/tag": tag, "/schemas/metadefs/tags": listSchema("tags", tag),
		"/schemas/metadefs/resource_type":  association,
		"/schemas/metadefs/resource_types": listSchema("resource_type_associations", association),
	}
}

// definition is what says what a property means and takes.
func definition() map[string]any {
	kinds := map[string]any{"type": "string", "enum": []any{"array", "boolean", "integer", "number", "object", "string", nil}}
	count := map[string]any{"type": "integer", "minimum": 0}
	flag := map[string]any{"type": "boolean"}
	values := map[string]any{"type": "array"}
	return document("property", map[string]any{
		"title": text(""), "type": kinds, "description": text(""), "operators": texts(), "required": texts(), "readonly": flag,
		"default": map[string]any{}, "enum": values, "pattern": map[string]any{"type": "string", "format": "regex"},
		"minimum": map[string]any{"type": "number"}, "maximum": map[string]any{"type": "number"},
		"minLength": count, "maxLength": count, "minItems": count, "maxItems": count, "uniqueItems": flag, "additionalItems": flag,
		"items": map[string]any{"type": "object", "properties": map[string]any{"type": kinds, "enum": values}},
	}, "title", "type")
}

func document(name string, properties map[string]any, required ...string) map[string]any {
	d := map[string]any{"name": name, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		d["required"] = required
	}
	return d
}

func short(most int) map[string]any { return map[string]any{"type": "string", "maxLength": most} }

func texts() map[string]any { return list(map[string]any{"type": "string"}) }

func list(item any) map[string]any { return map[string]any{"type": "array", "items": item} }

func timestamp() map[string]any {
	return map[string]any{"type": "string", "format": "date-time", "readOnly": true}
}

func readOnlyText() map[string]any { return map[string]any{"type": "string", "readOnly": true} }
