package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// plain is a server of routes alone, over TCP.
func plain(t *testing.T, o api.Options, routes ...api.Route) *httptest.Server {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Auth = apitest.Auth{}
	o.Services = []api.Service{{Name: "image", Path: "/image", Version: "v2", Dialect: api.ImageDialect(), Routes: routes}}
	h, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, s *httptest.Server, method, path string, body io.Reader) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
	res, err := s.Client().Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, err.Error()
	}
	return res.StatusCode, string(text)
}

// dripping is a body of a byte now and then, without end.
type dripping struct{ ctx context.Context }

func (d dripping) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(20 * time.Millisecond):
		p[0] = 'x'
		return 1, nil
	}
}

func upload(err *error) api.Route {
	return api.Route{Method: "PUT", Path: "/file", Stream: true, Handle: func(_ context.Context, c *api.Call) error {
		_, *err = io.Copy(io.Discard, c.Request().Body)
		if *err != nil {
			return *err
		}
		return c.Empty(http.StatusNoContent)
	}}
}

// An upload that comes a byte at a time is cut, and one that goes on is not,
// however long it takes.
func TestSlowUploads(t *testing.T) {
	var got error
	s := plain(t, api.Options{Pace: api.Pace{Bytes: 4096, Window: 500 * time.Millisecond}}, upload(&got))
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if code, text := send(t, s, "PUT", "/image/v2/file", dripping{ctx}); code != http.StatusRequestTimeout && code != 0 {
		t.Errorf("a byte at a time: %d %s", code, text)
	}
	if cloud.KindOf(got) != cloud.KindTimeout {
		t.Errorf("the handler saw %v, want a timeout", got)
	}
	if code, text := send(t, s, "PUT", "/image/v2/file", bytes.NewReader(make([]byte, 8<<20))); code != http.StatusNoContent {
		t.Errorf("8 MiB: %d %s", code, text)
	}
	cancel()
	s.Client().CloseIdleConnections()
	settle(t, before)
}

// settle waits until there are no more goroutines than before.
func settle(t *testing.T, before int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for runtime.NumGoroutine() > before {
		select {
		case <-ctx.Done():
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A download that nobody takes is cut.
func TestDownloadsThatNobodyTakes(t *testing.T) {
	ended := make(chan error, 1)
	s := plain(t, api.Options{Pace: api.Pace{Bytes: 4096, Window: 200 * time.Millisecond}}, api.Route{
		Method: "GET", Path: "/file", Stream: true, Handle: func(_ context.Context, c *api.Call) error {
			b := make([]byte, 1<<16)
			for {
				if _, err := c.Writer().Write(b); err != nil {
					ended <- err
					return err
				}
			}
		}})
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/image/v2/file", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	select {
	case <-ended:
	case <-t.Context().Done():
		t.Error("the answer is still being written")
	}
}

// Requests beyond the bounds are refused with what to do, and those that end
// make room.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		limits api.Limits
		code   int
		says   string
	}{
		{api.Limits{Total: 2}, 503, "requests are under way"}, {api.Limits{PerAddress: 2}, 429, "this address"}, {api.Limits{PerToken: 2}, 429, "this token"},
	} {
		release, here := make(chan struct{}), make(chan struct{}, 2)
		s := plain(t, api.Options{Limits: c.limits}, api.Route{Method: "GET", Path: "/wait", Handle: func(_ context.Context, k *api.Call) error {
			here <- struct{}{}
			<-release
			return k.Empty(http.StatusNoContent)
		}})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if code, text := send(t, s, "GET", "/image/v2/wait", nil); code != http.StatusNoContent {
					t.Errorf("within %+v: %d %s", c.limits, code, text)
				}
			})
		}
		<-here
		<-here
		if code, text := send(t, s, "GET", "/image/v2/wait", nil); code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("beyond %+v: %d %s; want %d", c.limits, code, text, c.code)
		}
		close(release)
		wg.Wait()
		if code, text := send(t, s, "GET", "/image/v2/wait", nil); code != http.StatusNoContent {
			t.Errorf("after %+v: %d %s", c.limits, code, text)
		}
	}
}

// Who is told of a request learns which operation it was, by whom and how it
// ended, whatever the client wrote; and the log's lines carry its id.
func TestTold(t *testing.T) {
	var told []*api.Done
	var lines bytes.Buffer
	log := slog.New(cloud.LogHandler(slog.NewTextHandler(&lines, nil)))
	s := plain(t, api.Options{Log: log, Tell: []func(*api.Done){func(d *api.Done) { told = append(told, d) }}},
		api.Route{Method: "POST", Path: "/things/{thing}", Handle: func(ctx context.Context, c *api.Call) error {
			log.InfoContext(ctx, "by the log of the service")
			c.Log.Info("by the log of the call")
			c.Target(c.Param("thing"))
			return errors.New("secret cause")
		}})
	if code, text := send(t, s, "POST", "/image/v2/things/7?token=hidden", strings.NewReader(`{"password": "hidden"}`)); code != 500 || strings.Contains(text, "secret") {
		t.Errorf("%d %s", code, text)
	}
	send(t, s, "BREW", "/image/v2/pots/1", nil)
	s.Close() // what was told is told
	if len(told) != 2 || told[0].Route != "/image/v2/things/{thing}" || told[0].Target != "7" || told[0].Status != 500 || told[0].Caller.UserID != apitest.ID("alice") || told[0].From != "127.0.0.1" {
		t.Errorf("told %+v", told)
	}
	if len(told) == 2 && (told[1].Method != "OTHER" || told[1].Route != "" || told[1].Status < 404) {
		t.Errorf("told %+v", told[1])
	}
	for line := range strings.Lines(lines.String()) {
		if strings.Contains(line, "hidden") {
			t.Errorf("the log has what is secret: %s", line)
		}
		if strings.Count(line, "request=req-") != 1 {
			t.Errorf("a line without the id of its request: %s", line)
		}
	}
}

// Pages of other sites get nothing: there is no CORS.
func TestNoCORS(t *testing.T) {
	s := plain(t, api.Options{}, api.Route{Method: "GET", Path: "/open", Public: true, Handle: func(_ context.Context, c *api.Call) error { return c.Empty(http.StatusNoContent) }})
	for _, method := range []string{"GET", "OPTIONS"} {
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/image/v2/open", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://elsewhere.example")
		r.Header.Set("Access-Control-Request-Method", "GET")
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		for name := range res.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s answers %s: %v", method, name, res.Header[name])
			}
		}
		if id := res.Header.Get("X-Openstack-Request-Id"); !strings.HasPrefix(id, "req-") || len(id) != 40 {
			t.Errorf("%s: the request's id is %q", method, id)
		}
		if method == "OPTIONS" && res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("OPTIONS: %d", res.StatusCode)
		}
	}
}
