package main

import (
	"net"
	"net/netip"
	"testing"
)

var (
	mac  = net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 0, 1}
	self = netip.MustParseAddr("10.0.0.5")
	peer = netip.MustParseAddr("10.0.0.6")
)

func TestTaggedFramesAreWholeFrames(t *testing.T) {
	frames := taggedFrames(mac, self, 101, peer)
	if len(frames) != 6 {
		t.Fatalf("got %d disguises, want 6", len(frames))
	}
	for i, f := range frames {
		if len(f) < 60 {
			t.Errorf("frame %d has %d bytes, want at least 60", i, len(f))
		}
		if isAnswer(f, peer) {
			t.Errorf("frame %d, a question, passed for an answer", i)
		}
	}
}

func TestAnswersAreSeenBehindTags(t *testing.T) {
	arp := request(mac, peer, self)
	arp[7] = 2 // a reply
	for name, tags := range map[string][][2]uint16{"untagged": nil, "tagged": {{typeDot1, 101}}, "twice": {{typeAD, 1}, {typeDot1, 2}}} {
		if f := frame(mac, tags, arp); !isAnswer(f, peer) || isAnswer(f, self) {
			t.Errorf("%s: not taken for an answer about %s", name, peer)
		}
	}
	if isAnswer(make([]byte, 13), peer) {
		t.Error("a piece of a frame passed for an answer")
	}
}

func TestParseTagged(t *testing.T) {
	if v, ip, err := parseTagged("101:10.0.0.6"); err != nil || v != 101 || ip != peer {
		t.Errorf("got %d, %v, %v", v, ip, err)
	}
	for _, bad := range []string{"", "101", "0:10.0.0.6", "4096:10.0.0.6", "x:10.0.0.6", "101:there"} {
		if _, _, err := parseTagged(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
