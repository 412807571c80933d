package controller_test

import (
	"os"
	"strings"
	"testing"
)

// A script says how calls are tried. It is lines:
//
//	# a comment
//	by member                               who makes the things that follow
//	thing image POST /image/v2/images {...} how $image is made; its value is the answer's id
//	thing keypair at=keypair.name POST ...  ... or what is there in the answer
//	thing limit single POST ...             ... and there can be no second one
//	and PUT /image/v2/images/$image/file    what else belongs to making the thing above
//	untried identity:get_access_token       a rule that nothing here is held against; the comment above says why
//	value tag red                           $tag
//	where /a/path name=value                what parameters of paths that begin so are
//	PATCH /images/{id} [{...}]              the body of a call
//	POST /servers/{id}/action os-stop once {...}   once: the thing is used up
//	POST /images note=public {...}          one call in two rows
//	before PUT /images/{id}/tags/{tag}      what the admin does before each try of the call above
//
// In front of a body stand name=value: parameters of the path, headers (X-...
// and "type"), and ?query. A parameter that nobody gives a value to is the
// thing that the path names in front of it: {id} of /images is $image.
type script struct {
	file    string
	things  map[string]*thing
	values  map[string]string
	where   []where
	untried []string           // rules
	calls   map[string][]*call // by api.Operation.String
}

type thing struct {
	by     string
	at     string // in the answer, with dots; empty: the first id
	until  string // member.member=value: wait for it
	single bool   // there can be one only
	make   []*call
}

type where struct {
	prefix string
	args   map[string]string
}

// A call is one request, as it is written.
type call struct {
	method, path string
	action       string
	args         map[string]string
	query        string
	once         bool
	note         string
	body         string
	before       []*call
}

func readScript(t *testing.T, file string) *script {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{file: file, things: map[string]*thing{}, values: map[string]string{}, calls: map[string][]*call{}}
	var by string
	var lastThing *thing
	var lastCall *call
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		switch word {
		case "", "#":
		case "by":
			by = rest
		case "untried":
			s.untried = append(s.untried, rest)
		case "value":
			name, value, _ := strings.Cut(rest, " ")
			s.values[name] = value
		case "where":
			k := parseCall("ANY " + rest)
			s.where = append(s.where, where{k.path, k.args})
		case "thing":
			name, how, _ := strings.Cut(rest, " ")
			lastThing = &thing{by: by}
			k := parseCall(lastThing.options(strings.TrimSpace(how)))
			lastThing.make = []*call{k}
			s.things[name] = lastThing
		case "and":
			lastThing.make = append(lastThing.make, parseCall(rest))
		case "before":
			lastCall.before = append(lastCall.before, parseCall(rest))
		default:
			lastCall = parseCall(word + " " + rest)
			key := strings.TrimSpace(lastCall.method + " " + lastCall.path + " " + lastCall.action)
			s.calls[key] = append(s.calls[key], lastCall)
		}
	}
	return s
}

// options takes at= and until= off the front.
func (d *thing) options(how string) string {
	for {
		first, rest, _ := strings.Cut(how, " ")
		name, value, ok := strings.Cut(first, "=")
		switch {
		case first == "single":
			d.single = true
		case ok && name == "at":
			d.at = value
		case ok && name == "until":
			d.until = value
		default:
			return how
		}
		how = rest
	}
}

func parseCall(text string) *call {
	k := &call{args: map[string]string{}}
	k.method, text, _ = strings.Cut(text, " ")
	k.path, text, _ = strings.Cut(text, " ")
	for text != "" {
		if text[0] == '{' || text[0] == '[' {
			k.body = text
			return k
		}
		var word string
		word, text, _ = strings.Cut(text, " ")
		name, value, named := strings.Cut(word, "=")
		switch {
		case word == "once":
			k.once = true
		case word[0] == '?':
			k.query = word
		case name == "note":
			k.note = value
		case named:
			k.args[name] = value
		case k.args["type"] != "":
			k.body = word
		default:
			k.action = word
		}
	}
	return k
}
