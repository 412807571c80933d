package apitest

import (
	"log/slog"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// Serve builds the API of services with [Auth]; what is logged becomes part
// of the test's output.
func Serve(t testing.TB, services ...api.Service) *api.Server {
	t.Helper()
	s, err := api.New(api.Options{Services: services, Auth: Auth{}, Log: Log(t), Clock: cloud.SystemClock})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Log writes to the test's output.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

// Write logs a line, unless the test has ended.
func (w testWriter) Write(b []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(string(b))
	}
	return len(b), nil
}
