package tally

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines is a log without times.
func lines(to *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestOneLineAMinute(t *testing.T) {
	var said bytes.Buffer
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b := New(lines(&said), func() time.Time { return now })
	dhcp, http := b.For("dhcp"), b.For("http")
	dhcp.Pass("offer")
	dhcp.Refuse("foreign", "52:54:00:00:00:01\nMSFT")
	for range 5 {
		dhcp.Refuse("foreign", "52:54:00:00:00:02")
		http.Refuse("ticket", "")
	}
	if got := strings.Count(said.String(), "\n"); got != 1 {
		t.Errorf("%d lines at once, want 1:\n%s", got, said.String())
	}
	b.flush(false) // too early
	now = now.Add(pause)
	b.flush(false)
	dhcp.Refuse("foreign", strings.Repeat("x", 1000))
	b.flush(false)
	b.flush(true)
	want := `level=INFO msg="refused or dropped" dhcp.foreign="1 (52:54:00:00:00:01?MSFT)"
level=INFO msg="refused or dropped" dhcp.foreign="5 (52:54:00:00:00:02)" http.ticket="5 (no detail)"
level=INFO msg="refused or dropped" dhcp.foreign="1 (` + strings.Repeat("x", longest) + `)"
`
	if diff := cmp.Diff(want, said.String()); diff != "" {
		t.Error(diff)
	}
}

func TestMetrics(t *testing.T) {
	b := New(slog.New(slog.DiscardHandler), nil)
	b.For("dhcp").Pass("ack")
	b.For("dhcp").Refuse("foreign", "")
	b.For("dhcp").Refuse("foreign", "")
	b.For("tftp").Refuse("not-found", "x")
	b.For("http").Sent("root.img", 4<<20)
	b.For("http").Sent("root.img", 77)
	(Counter{}).Refuse("nobody", "counts this")
	(Counter{}).Sent("nor", 1)
	var got bytes.Buffer
	if err := b.WriteMetrics(&got); err != nil {
		t.Fatal(err)
	}
	want := `# HELP cairn_deployer_answers_total Answers of the deployer, by protocol.
# TYPE cairn_deployer_answers_total counter
cairn_deployer_answers_total{protocol="dhcp",what="ack"} 1
cairn_deployer_answers_total{protocol="http",what="root.img"} 2
# HELP cairn_deployer_refused_total Packets and requests that were refused or dropped, by protocol and reason.
# TYPE cairn_deployer_refused_total counter
cairn_deployer_refused_total{protocol="dhcp",what="foreign"} 2
cairn_deployer_refused_total{protocol="tftp",what="not-found"} 1
# HELP cairn_deployer_sent_bytes_total Bytes that the deployer sent, by file.
# TYPE cairn_deployer_sent_bytes_total counter
cairn_deployer_sent_bytes_total{protocol="http",what="root.img"} 4194381
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}
