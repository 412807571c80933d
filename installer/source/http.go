package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// HTTP is a release behind a URL. A transfer that is cut goes on where it
// was; one that brings no byte for Patience is given up with a refusal.
type HTTP struct {
	URL      string // with or without / at its end
	Client   *http.Client
	Patience time.Duration
	Say      func(format string, args ...any)
	Log      *slog.Logger
}

// NewHTTP is a release behind a URL with the usual patience.
func NewHTTP(url string, say func(string, ...any), log *slog.Logger) *HTTP {
	t := &http.Transport{ResponseHeaderTimeout: 30 * time.Second, MaxIdleConnsPerHost: 8, DisableCompression: true}
	return &HTTP{URL: strings.TrimSuffix(url, "/") + "/", Client: &http.Client{Transport: t}, Patience: 5 * time.Minute, Say: say, Log: log}
}

// Name is the URL.
func (h *HTTP) Name() string { return h.URL }

// errFinal is an answer that asking again will not change.
var errFinal = errors.New("the server refuses")

// ReadAt fills buf with a range of a file, in as many requests as it takes.
func (h *HTTP) ReadAt(ctx context.Context, file string, buf []byte, off int64) error {
	url := h.URL + path.Base(file)
	had := 0
	return h.persist(ctx, url, func(ctx context.Context) (bool, error) {
		n, err := h.get(ctx, url, buf[had:], off+int64(had))
		had += n
		return n > 0, err
	})
}

// get asks for one range once. n bytes have arrived even where it fails.
func (h *HTTP) get(ctx context.Context, url string, buf []byte, off int64) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errFinal, err)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(buf))-1))
	res, err := h.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if err := accept(res, http.StatusPartialContent); err != nil {
		return 0, err
	}
	return ReadMoving(res.Body, buf, stall, cancel)
}

// stall is how long a transfer may stand still before it is asked for anew.
const stall = 20 * time.Second

// ReadMoving fills buf and returns how many bytes came. It calls cancel, which
// has to end a read that is under way, when none comes for that long.
func ReadMoving(r io.Reader, buf []byte, stall time.Duration, cancel func()) (int, error) {
	alarm := time.AfterFunc(stall, cancel)
	defer alarm.Stop()
	return io.ReadFull(&watched{r, alarm, stall}, buf)
}

// watched moves the alarm on with every byte that arrives.
type watched struct {
	r     io.Reader
	alarm *time.Timer
	stall time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.alarm.Reset(w.stall)
	}
	return n, err
}

// accept tells whether the answer is the one that was hoped for, one that may
// get better, or final.
func accept(res *http.Response, want int) error {
	if res.StatusCode == want {
		return nil
	}
	err := fmt.Errorf("answered %s; wanted %d", res.Status, want)
	if res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusRequestTimeout {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	return err
}

// Whole reads a small file.
func (h *HTTP) Whole(ctx context.Context, file string, limit int64) ([]byte, error) {
	url := h.URL + path.Base(file)
	var out []byte
	err := h.persist(ctx, url, func(ctx context.Context) (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, fmt.Errorf("%w: %w", errFinal, err)
		}
		res, err := h.Client.Do(req)
		if err != nil {
			return false, err
		}
		defer res.Body.Close()
		if err := accept(res, http.StatusOK); err != nil {
			return false, err
		}
		out, err = readLimited(res.Body, limit, url)
		return false, err
	})
	return out, err
}

// persist tries again until it works, is final, or nothing has come for the
// whole patience. Each failure is shown with its reason.
func (h *HTTP) persist(ctx context.Context, url string, try func(context.Context) (moved bool, err error)) error {
	began, wait := time.Now(), 250*time.Millisecond
	for {
		moved, err := try(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errFinal):
			return fmt.Errorf("fetch %s: %w", url, err)
		}
		if moved {
			began, wait = time.Now(), 250*time.Millisecond
		}
		if time.Since(began) > h.Patience {
			return &plan.Refusal{Reason: fmt.Sprintf("nothing came from %s for %s: %v", url, h.Patience, err),
				Remedy: "Check the network between this machine and the deployer, and start it again: what is on the disk already is kept"}
		}
		h.Log.Warn("fetch", "url", url, "error", err)
		h.Say("waiting for %s: %v; trying again", url, err)
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, 5*time.Second)
	}
}
