package trial

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gophercloud/gophercloud/v2"
)

const console = "[    1.234] virtio_net virtio0 eth0: renamed\r\n" +
	"cairn-guest: address 192.168.50.12/24\r\n" +
	"[    2.1] noise cairn-guest: metadata {\"name\":\"lxc-1\",\"uuid\":\"4711\"}\r\n" +
	"cairn-guest: ready\r\n" +
	"cairn-guest: ping 192.168.50.13 lost\r\n" +
	"cairn-guest: ping 192.168.50.13 ok\r\n" +
	"cairn-gue"

func TestGuestLines(t *testing.T) {
	want := []string{"address 192.168.50.12/24", `metadata {"name":"lxc-1","uuid":"4711"}`, "ready", "ping 192.168.50.13 lost", "ping 192.168.50.13 ok"}
	if d := cmp.Diff(want, guestLines(console)); d != "" {
		t.Error(d)
	}
	if got := guestLines("cairn-guest: ready\r\ncairn-guest: metadata {\"name\":\"qemu-1\",\"uu"); len(got) != 1 {
		t.Errorf("half a line counts: %q", got)
	}
	if got, _ := after(want, "ping 192.168.50.13 "); got != "ok" {
		t.Errorf("the last ping was %q, want ok", got)
	}
}

func TestLacks(t *testing.T) {
	lines := guestLines(console)
	for _, c := range []struct {
		server server
		lines  []string
		lacks  string
		err    string
	}{
		{server{name: "a", last: 12, id: "4711"}, lines, "", ""},
		{server{name: "a", last: 12, id: "4711"}, lines[:1], "its metadata", ""},
		{server{name: "a", last: 12, id: "4711"}, nil, "its address", ""},
		{server{name: "a", last: 99, id: "4711"}, lines, "", "took address 192.168.50.12/24, not 192.168.50.99/24"},
		{server{name: "a", last: 12, id: "4712"}, lines, "", "lacks its id 4712"},
	} {
		lacks, err := c.server.lacks(c.lines)
		if lacks != c.lacks || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v lacks %q, %v; want %q, %q", c.server, lacks, err, c.lacks, c.err)
		}
	}
}

func TestRoundsCountAndFindTheOneThatGotThrough(t *testing.T) {
	p := probe{"lxc-3", "tagged 100:192.168.50.12 ", regexp.MustCompile(`^sent [1-9]\d* answers 0$`)}
	good := []string{"ping x lost", "tagged 100:192.168.50.12 sent 6 answers 0", "tagged 100:192.168.50.12 sent 6 answers 0"}
	if n, err := p.rounds(good); n != 2 || err != nil {
		t.Errorf("%d rounds, %v", n, err)
	}
	if _, err := p.rounds(append(good, "tagged 100:192.168.50.12 sent 6 answers 1")); !errors.Is(err, errVerdict) {
		t.Errorf("an answer is no verdict: %v", err)
	}
	if _, err := p.rounds([]string{"tagged 100:192.168.50.12 sent 0 answers 0"}); !errors.Is(err, errVerdict) {
		t.Errorf("nothing was sent, and that is no verdict: %v", err)
	}
}

func TestFinal(t *testing.T) {
	code := func(n int) error {
		return fmt.Errorf("create: %w", gophercloud.ErrUnexpectedResponseCode{Actual: n})
	}
	for err, want := range map[error]bool{
		code(400): true, code(404): true, code(409): false, code(429): false, code(500): false, code(503): false,
		errors.New("connection refused"): false, fmt.Errorf("x: %w", errVerdict): true,
	} {
		if got := final(err); got != want {
			t.Errorf("final(%v) = %t, want %t", err, got, want)
		}
	}
}
