package api

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// Limits bound how many requests are under way at a time. Zero: no bound.
type Limits struct {
	Total      int `json:"total"`       // of everybody: 503 beyond it
	PerAddress int `json:"per_address"` // 429 beyond it
	PerToken   int `json:"per_token"`   // 429 beyond it
}

// A limiter counts the requests under way.
type limiter struct {
	Limits

	mu    sync.Mutex // guards the rest
	total int
	by    map[string]int // by address, and by sum of token
}

// enter lets a request in, or says why not. leave must be called after it was
// let in.
func (l *limiter) enter(r *http.Request, from string) (leave func(), err error) {
	if l.Limits == (Limits{}) {
		return func() {}, nil
	}
	keys := []struct {
		key  string
		most int
		what string
	}{{"a" + from, l.PerAddress, "address"}, {tokenKey(r), l.PerToken, "token"}}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Total > 0 && l.total >= l.Total {
		return nil, cloud.Unavailable("%d requests are under way. Try again.", l.total)
	}
	for _, k := range keys {
		if k.key != "" && k.most > 0 && l.by[k.key] >= k.most {
			return nil, cloud.Errorf(cloud.KindTooMany, "%d requests of this %s are under way. Wait for one of them.", l.by[k.key], k.what)
		}
	}
	l.total++
	for _, k := range keys {
		if k.key != "" {
			l.by[k.key]++
		}
	}
	return func() { l.leave(keys[0].key, keys[1].key) }, nil
}

func (l *limiter) leave(keys ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	for _, k := range keys {
		if k == "" {
			continue
		}
		if l.by[k]--; l.by[k] == 0 {
			delete(l.by, k)
		}
	}
}

// tokenKey is what a token counts by: not the token itself.
func tokenKey(r *http.Request) string {
	token := r.Header.Get("X-Auth-Token")
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return string(sum[:16])
}

// refuse answers a request that was not let in.
func refuse(w http.ResponseWriter, err error) {
	code := http.StatusServiceUnavailable
	if cloud.KindOf(err) == cloud.KindTooMany {
		code = http.StatusTooManyRequests
	}
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"error": {"code": %d, "title": %q, "message": %q}}`, code, http.StatusText(code), err.Error())
}
