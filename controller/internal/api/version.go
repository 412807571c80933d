package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A Version is a microversion; the zero Version means that a service has none.
type Version struct{ Major, Minor int }

// ParseVersion reads "2.93".
func ParseVersion(s string) (Version, error) {
	major, minor, ok := strings.Cut(s, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if !ok || err1 != nil || err2 != nil || a < 1 || b < 0 || strings.HasPrefix(minor, "+") {
		return Version{}, fmt.Errorf("version %q: want MAJOR.MINOR", s)
	}
	return Version{a, b}, nil
}

// String is "2.93"; empty for the zero Version.
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d", v.Major, v.Minor)
}

// Less tells whether v is older than w.
func (v Version) Less(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// microversions is the range that a service speaks.
type microversions struct {
	name     string // in the header: "compute"
	legacy   string // an older header, may be empty
	min, max Version
}

// negotiate chooses the version of a request and says so in the answer.
func (m *microversions) negotiate(w http.ResponseWriter, r *http.Request) (Version, error) {
	if m == nil {
		return Version{}, nil
	}
	w.Header().Add("Vary", "OpenStack-API-Version")
	if m.legacy != "" {
		w.Header().Add("Vary", m.legacy)
	}
	asked := m.asked(r)
	v, err := m.choose(asked)
	said := v.String()
	if err != nil {
		said = asked
	}
	w.Header().Set("OpenStack-API-Version", m.name+" "+said)
	if m.legacy != "" {
		w.Header().Set(m.legacy, said)
	}
	return v, err
}

// asked is the version text of the request's headers; empty if there is none.
func (m *microversions) asked(r *http.Request) string {
	for _, line := range r.Header.Values("OpenStack-API-Version") {
		for part := range strings.SplitSeq(line, ",") {
			name, version, _ := strings.Cut(strings.TrimSpace(part), " ")
			if strings.EqualFold(name, m.name) {
				return headerText(version)
			}
		}
	}
	if m.legacy != "" {
		return headerText(r.Header.Get(m.legacy))
	}
	return ""
}

func (m *microversions) choose(asked string) (Version, error) {
	switch asked {
	case "":
		return m.min, nil
	case "latest":
		return m.max, nil
	}
	v, err := ParseVersion(asked)
	if err != nil {
		return Version{}, cloud.BadRequest("API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", asked)
	}
	if v.Less(m.min) || m.max.Less(v) {
		return Version{}, cloud.Errorf(cloud.KindNotAcceptable,
			"Version %s is not supported by the API. Minimum is %s and maximum is %s.", v, m.min, m.max)
	}
	return v, nil
}

// headerText is s without what may not stand in a header, and not too long.
func headerText(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 32 {
		s = s[:32]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
