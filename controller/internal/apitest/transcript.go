package apitest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Play plays the transcripts that match the pattern, each as a subtest with
// its own handler. A transcript is lines:
//
//	# a comment
//	as alice member                      who makes the requests that follow, here in the project alice
//	as bob admin in shop                 ... in another project; "in system": the system's scope
//	as nobody                            without a token
//	with OpenStack-API-Version: compute 2.10    a header of the requests that follow; an empty value ends it
//	POST /os-keypairs {"keypair": {"name": "laptop"}}
//	200 {"keypair": {"name": "laptop", "fingerprint": "*", "id": "$id"}}
//	GET /os-keypairs/$id
//
// Paths are below prefix. The answer must have at least the members that the
// transcript has; "*" is any value (inside a text: any part of it), "$name" keeps the value and must be the
// same one the next time, "!" means that the member is absent. A list must
// have as many entries. Header: value lines after a status are answers'
// headers. A body may go on in lines that begin with a blank.
func Play(t *testing.T, prefix, pattern string, handler func(t *testing.T) http.Handler) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts %s: none found (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			p := &player{t: t, prefix: prefix, handler: handler(t), vars: map[string]string{}, header: http.Header{}}
			p.play(file)
		})
	}
}

// A player is a transcript under way.
type player struct {
	t       *testing.T
	prefix  string
	handler http.Handler
	token   string
	header  http.Header
	vars    map[string]string
	answer  *httptest.ResponseRecorder
	at      string // file and line
}

func (p *player) play(file string) {
	p.t.Helper()
	lines, err := readLines(file)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, l := range lines {
		p.at = fmt.Sprintf("%s:%d", file, l.number)
		p.line(l.text)
	}
}

type line struct {
	number int
	text   string
}

// readLines reads the lines that say something, each with its continuation.
func readLines(file string) (lines []line, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		text := s.Text()
		switch {
		case strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#"):
		case (text[0] == ' ' || text[0] == '\t') && len(lines) > 0:
			lines[len(lines)-1].text += " " + strings.TrimSpace(text)
		default:
			lines = append(lines, line{n, strings.TrimSpace(text)})
		}
	}
	return lines, s.Err()
}

// line plays one line.
func (p *player) line(text string) {
	p.t.Helper()
	word, rest, _ := strings.Cut(text, " ")
	switch {
	case word == "as":
		p.as(rest)
	case word == "with":
		name, value, _ := strings.Cut(rest, ":")
		p.header.Del(name)
		if value = strings.TrimSpace(value); value != "" {
			p.header.Set(name, p.expand(value))
		}
	case word[0] >= '1' && word[0] <= '5' && len(word) == 3:
		p.status(word, rest)
	case strings.HasSuffix(word, ":"):
		p.answerHeader(strings.TrimSuffix(word, ":"), rest)
	case word == strings.ToUpper(word):
		p.request(word, rest)
	default:
		p.t.Fatalf("%s: cannot read %q", p.at, text)
	}
}

func (p *player) as(rest string) {
	words := strings.Fields(rest)
	switch {
	case len(words) == 1 && words[0] == "nobody":
		p.token = ""
	case len(words) == 2:
		p.token = Token(words[0], words[1], words[0])
	case len(words) == 4 && words[2] == "in":
		p.token = Token(words[0], words[1], words[3])
	default:
		p.t.Fatalf("%s: want: as USER ROLE [in PROJECT]", p.at)
	}
}

func (p *player) request(method, rest string) {
	path, body, _ := strings.Cut(rest, " ")
	r := httptest.NewRequestWithContext(p.t.Context(), method, p.prefix+p.expand(path), strings.NewReader(p.expand(body)))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if p.token != "" {
		r.Header.Set("X-Auth-Token", p.token)
	}
	for name, values := range p.header {
		r.Header[name] = values
	}
	p.answer = httptest.NewRecorder()
	p.handler.ServeHTTP(p.answer, r)
}

// status holds the last answer against what it should be.
func (p *player) status(code, body string) {
	p.t.Helper()
	if p.answer == nil {
		p.t.Fatalf("%s: an answer without a request", p.at)
	}
	if got := strconv.Itoa(p.answer.Code); got != code {
		p.t.Fatalf("%s: status %s, want %s; body: %s", p.at, got, code, p.answer.Body)
	}
	if body == "" {
		return
	}
	var want, got any
	if err := json.Unmarshal([]byte(p.expand(body)), &want); err != nil {
		p.t.Fatalf("%s: the transcript's body is not JSON: %v", p.at, err)
	}
	if err := json.Unmarshal(p.answer.Body.Bytes(), &got); err != nil {
		p.t.Fatalf("%s: the answer is not JSON: %v; body: %s", p.at, err, p.answer.Body)
	}
	if why := p.match("", want, got); why != "" {
		p.t.Fatalf("%s: %s; body: %s", p.at, why, p.answer.Body)
	}
}

func (p *player) answerHeader(name, want string) {
	p.t.Helper()
	if why := p.match(name, any(p.expand(strings.TrimSpace(want))), any(p.answer.Header().Get(name))); why != "" {
		p.t.Fatalf("%s: header %s", p.at, why)
	}
}

// match says how got falls short of want; empty if it does not.
func (p *player) match(path string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		return p.matchObject(path, w, got)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is %s, want %d entries", path, text(got), len(w))
		}
		for i := range w {
			if why := p.match(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); why != "" {
				return why
			}
		}
		return ""
	case string:
		return p.matchText(path, w, got)
	default:
		if want != got {
			return fmt.Sprintf("%s is %s, want %s", path, text(got), text(want))
		}
		return ""
	}
}

func (p *player) matchObject(path string, want map[string]any, got any) string {
	g, ok := got.(map[string]any)
	if !ok {
		return fmt.Sprintf("%s is %s, want an object", path, text(got))
	}
	for name, w := range want {
		v, there := g[name]
		if w == "!" {
			if there {
				return fmt.Sprintf("%s.%s is %s, want it absent", path, name, text(v))
			}
			continue
		}
		if !there {
			return fmt.Sprintf("%s.%s is absent, want %s", path, name, text(w))
		}
		if why := p.match(path+"."+name, w, v); why != "" {
			return why
		}
	}
	return ""
}

func (p *player) matchText(path, want string, got any) string {
	if want == "*" {
		return ""
	}
	if name, ok := strings.CutPrefix(want, "$"); ok && name != "" {
		if _, known := p.vars[name]; !known {
			p.vars[name] = fmt.Sprint(got)
			return ""
		}
		want = p.vars[name]
	}
	if before, after, ok := strings.Cut(want, "*"); ok {
		s, isText := got.(string)
		if isText && len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after) {
			return ""
		}
	}
	if got != want {
		return fmt.Sprintf("%s is %s, want %q", path, text(got), want)
	}
	return ""
}

// expand puts known variables into a text; @{name} is the id of a user or
// project of that name.
func (p *player) expand(s string) string {
	for name, value := range p.vars {
		s = strings.ReplaceAll(s, "$"+name, value)
	}
	for {
		i := strings.Index(s, "@{")
		if i < 0 {
			return s
		}
		j := strings.Index(s[i:], "}")
		if j < 0 {
			return s
		}
		s = s[:i] + ID(s[i+2:i+j]) + s[i+j+1:]
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
