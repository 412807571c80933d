package httpboot

import (
	"bytes"
	"log/slog"
	"net/http"

	"github.com/cairn-cloud/cairn/pxe/dhcp"
	"github.com/cairn-cloud/cairn/pxe/tally"
)

// Counters makes the handler of what operators may see of refusals: GET
// /v1/counters, and GET /metrics in the text format of Prometheus. fresh is
// called before each answer; servers lists other DHCP servers.
func Counters(book *tally.Book, fresh func(), servers func() []dhcp.Other, log *slog.Logger) http.Handler {
	a := api{log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/counters", a.returning(a.operator(func(*http.Request) (any, error) {
		fresh()
		return map[string]any{"counters": book.Counts(), "dhcp_servers": servers()}, nil
	})))
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		var text bytes.Buffer
		_, err := a.operator(func(*http.Request) (any, error) {
			fresh()
			return nil, book.WriteMetrics(&text)
		})(r)
		if err != nil {
			http.Error(w, err.Error(), status(err))
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		if _, err := w.Write(text.Bytes()); err != nil {
			log.Debug("answer not sent", "path", r.URL.Path, "err", err)
		}
	})
	return mux
}
