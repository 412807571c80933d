package image

import (
	"encoding/json"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// An Association says that a namespace is meant for a type of resources.
type Association struct {
	Name             string  `json:"name"                        api:"required,name,max=80"`
	Prefix           *string `json:"prefix,omitempty"            api:"max=80"` // that properties have on this type
	PropertiesTarget *string `json:"properties_target,omitempty" api:"max=80"` // "image" where a volume has properties of two kinds
}

// An Object is a group of properties.
type Object struct {
	Name        string                     `json:"name"                  api:"required,name,max=80"`
	Description *string                    `json:"description,omitempty" api:"max=1024"`
	Required    []string                   `json:"required,omitempty"    api:"max=128"`
	Properties  map[string]json.RawMessage `json:"properties,omitempty"  api:"max=128"`
}

// A Tag is a word to mark resources with.
type Tag struct {
	Name string `json:"name" api:"required,name,max=80"`
}

// A Property says in JSON Schema's words what a property means and takes.
type Property struct {
	Name            string        `json:"name,omitempty"            api:"max=80"`
	Title           string        `json:"title"                     api:"required,max=255"`
	Type            string        `json:"type"                      api:"required,oneof=array|boolean|integer|number|object|string"`
	Description     *string       `json:"description,omitempty"     api:"max=4096"`
	Operators       []string      `json:"operators,omitempty"       api:"max=64"`
	Required        []string      `json:"required,omitempty"        api:"max=128"`
	ReadOnly        *bool         `json:"readonly,omitempty"`
	Default         any           `json:"default,omitempty"`
	Enum            []any         `json:"enum,omitempty"            api:"max=1024"`
	Pattern         *string       `json:"pattern,omitempty"         api:"max=1024"`
	Minimum         *float64      `json:"minimum,omitempty"`
	Maximum         *float64      `json:"maximum,omitempty"`
	MinLength       *int          `json:"minLength,omitempty"       api:"min=0"`
	MaxLength       *int          `json:"maxLength,omitempty"       api:"min=0"`
	MinItems        *int          `json:"minItems,omitempty"        api:"min=0"`
	MaxItems        *int          `json:"maxItems,omitempty"        api:"min=0"`
	UniqueItems     *bool         `json:"uniqueItems,omitempty"`
	AdditionalItems *bool         `json:"additionalItems,omitempty"`
	Items           *PropertyItem `json:"items,omitempty"`
}

// A PropertyItem says what a list has in it.
type PropertyItem struct {
	Type string `json:"type,omitempty" api:"oneof=array|boolean|integer|number|object|string"`
	Enum []any  `json:"enum,omitempty" api:"max=1024"`
}

// takeObject reads an object.
func takeObject(c *api.Call, raw json.RawMessage) (string, any, error) {
	in, err := api.DecodeRaw[Object](c, raw)
	if err != nil {
		return "", nil, err
	}
	return in.Name, in, checkDefinitions(c, in.Properties)
}

// checkDefinitions checks the properties of an object.
func checkDefinitions(c *api.Call, properties map[string]json.RawMessage) error {
	for name, raw := range properties {
		if name == "" || len(name) > 80 {
			return cloud.BadRequest("The property name %.32q has %d bytes; allowed: 1 to 80.", name, len(name))
		}
		if _, err := api.DecodeRaw[Property](c, raw); err != nil {
			return err
		}
	}
	return nil
}

// takeProperty reads a property that has its name inside.
func takeProperty(c *api.Call, raw json.RawMessage) (string, any, error) {
	in, err := api.DecodeRaw[Property](c, raw)
	if err != nil {
		return "", nil, err
	}
	name := in.Name
	if name == "" {
		return "", nil, cloud.BadRequest("Invalid input for field/attribute name. 'name' is a required property")
	}
	in.Name = ""
	return name, in, nil
}

func takeTag(c *api.Call, raw json.RawMessage) (string, any, error) {
	in, err := api.DecodeRaw[Tag](c, raw)
	if err != nil {
		return "", nil, err
	}
	return in.Name, in, nil
}

func takeAssociation(c *api.Call, raw json.RawMessage) (string, any, error) {
	in, err := api.DecodeRaw[Association](c, raw)
	if err != nil {
		return "", nil, err
	}
	return in.Name, in, nil
}
