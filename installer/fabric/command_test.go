package fabric

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/cairn-cloud/cairn/installer/plan"
)

func report(t *testing.T, text string) plan.FabricReport {
	t.Helper()
	var r plan.FabricReport
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	return r
}

// TestCommandLeavesTheCard probes on a card with small packets, which stay so.
func TestCommandLeavesTheCard(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	macs := wires(t, "a", "b")
	l, err := netlink.LinkByName("a")
	must(t, err)
	must(t, netlink.LinkSetMTU(l, 1400))
	must(t, netlink.LinkSetUp(l))
	var out strings.Builder
	in := strings.NewReader(`{"round":3,"trunk":"` + macs["a"] + `","vlans":[100],"mtu":1500,"seconds":1}`)
	must(t, answer(t.Context(), in, &out, slog.New(slog.DiscardHandler)))
	r := report(t, out.String())
	if at, err := time.Parse(time.RFC3339Nano, r.Clock); err != nil || r.Round != 3 || time.Since(at) > time.Hour {
		t.Errorf("got %s", out.String())
	}
	if l, err = netlink.LinkByName("a"); err != nil || l.Attrs().MTU != 1400 {
		t.Errorf("the card has %+v, %v; want 1400 bytes as before", l, err)
	}
}

func TestCommandRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"": "read the order: EOF",
		`{"round":3,"vlans":[100],"mtu":1500,"seconds":0}`:                             "fabric order: seconds is 0; allowed: 1 to 60",
		`{"round":3,"trunk":"02:00:00:00:00:99","vlans":[100],"mtu":1500,"seconds":1}`: "the fabric check is for card 02:00:00:00:00:99, which is not in this machine",
	} {
		var out strings.Builder
		if err := answer(t.Context(), strings.NewReader(in), &out, slog.New(slog.DiscardHandler)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}
