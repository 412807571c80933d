package api

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// statuses are what kinds of errors become where the dialect says nothing.
var statuses = map[cloud.Kind]int{
	cloud.KindInternal:         http.StatusInternalServerError,
	cloud.KindBadRequest:       http.StatusBadRequest,
	cloud.KindUnauthorized:     http.StatusUnauthorized,
	cloud.KindForbidden:        http.StatusForbidden,
	cloud.KindNotFound:         http.StatusNotFound,
	cloud.KindMethodNotAllowed: http.StatusMethodNotAllowed,
	cloud.KindNotAcceptable:    http.StatusNotAcceptable,
	cloud.KindConflict:         http.StatusConflict,
	cloud.KindGone:             http.StatusGone,
	cloud.KindTooLarge:         http.StatusRequestEntityTooLarge,
	cloud.KindUnsupportedMedia: http.StatusUnsupportedMediaType,
	cloud.KindRange:            http.StatusRequestedRangeNotSatisfiable,
	cloud.KindOverQuota:        http.StatusRequestEntityTooLarge,
	cloud.KindUnavailable:      http.StatusServiceUnavailable,
	cloud.KindTooMany:          http.StatusTooManyRequests,
	cloud.KindTimeout:          http.StatusRequestTimeout,
}

// fail answers with an error, the one place that does. What has no kind goes
// to the log in full and to the client as nothing.
func (c *Call) fail(err error) {
	e, ok := errors.AsType[*cloud.Error](err)
	switch {
	case ok && e.Kind != cloud.KindInternal:
	case errors.Is(err, context.Canceled) && c.r.Context().Err() != nil:
		e = cloud.Errorf(cloud.KindUnavailable, "The client has gone.")
	case errors.Is(err, context.DeadlineExceeded):
		c.Log.Error("request took too long", "error", err)
		e = cloud.Unavailable("The request took too long.")
	case store.IsAway(err):
		c.Log.Error("the database is away", "error", err)
		e = cloud.Unavailable("The database cannot do this now. Try again.")
	default:
		c.Log.Error("request failed", "error", err)
		e = cloud.Errorf(cloud.KindInternal, "Unexpected API Error. The log of the controller has request %s.", c.w.Header().Get(headerRequestID))
	}
	dialect := &c.service.service.Dialect
	status, ok := dialect.Statuses[e.Kind]
	if !ok {
		status = statuses[e.Kind]
	}
	if e.Kind == cloud.KindUnauthorized {
		c.unauthorized(e)
		return
	}
	contentType, body := dialect.Fault(status, e)
	h := c.w.Header()
	h.Del("Content-Length")
	h.Set("Content-Type", contentType)
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // the client has gone: nobody to tell
	}
}

// unauthorized is the answer that Keystone's middleware gives in front of
// every service.
func (c *Call) unauthorized(e *cloud.Error) {
	message := e.Message
	if message == "" {
		message = "The request you have made requires authentication."
	}
	c.w.Header().Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", hostOf(c.r)+"/identity"))
	if err := c.JSON(http.StatusUnauthorized, object{{"error", object{{"code", 401}, {"title", "Unauthorized"}, {"message", message}}}}); err != nil {
		c.Log.Error("write the answer", "error", err)
	}
}

// htmlFault is an error page as Glance's.
func htmlFault(status int, message string) []byte {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return fmt.Appendf(nil, "<html>\n <head>\n  <title>%s</title>\n </head>\n <body>\n  <h1>%s</h1>\n  %s<br /><br />\n\n\n\n </body>\n</html>\n",
		title, http.StatusText(status), html.EscapeString(message))
}
