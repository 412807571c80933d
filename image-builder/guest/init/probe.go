package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// probe does what the server's metadata asks for and prints what came of it.
// Each value is a list, separated by commas:
//
//	ping=ADDRESS          cairn-guest: ping ADDRESS ok|lost
//	tagged=VLAN:ADDRESS   cairn-guest: tagged VLAN:ADDRESS sent N answers M
//
// The second asks for an address, by ARP, in frames that carry the tag of a
// VLAN in every way that a switch might fall for. Answers should be 0.
func probe(ctx context.Context, n nic, a *address, meta map[string]string) {
	for _, target := range list(meta["ping"]) {
		result := "ok"
		if err := ping(ctx, target); err != nil {
			result = "lost"
		}
		say("ping %s %s", target, result)
	}
	for _, target := range list(meta["tagged"]) {
		vlan, ip, err := parseTagged(target)
		if err != nil {
			say("tagged %s: %v", target, err)
			continue
		}
		sent, answers, err := askTagged(n, a.prefix.Addr(), vlan, ip)
		if err != nil {
			say("tagged %s: %v", target, err)
			continue
		}
		say("tagged %s sent %d answers %d", target, sent, answers)
	}
}

func list(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
}

func parseTagged(target string) (vlan uint16, ip netip.Addr, err error) {
	tag, addr, ok := strings.Cut(target, ":")
	n, err := strconv.ParseUint(tag, 10, 12)
	if !ok || err != nil || n == 0 {
		return 0, ip, fmt.Errorf("not VLAN:ADDRESS with a VLAN of 1 to 4095")
	}
	ip, err = netip.ParseAddr(addr)
	return uint16(n), ip, err
}

// ping sends one echo request and waits for its answer.
func ping(ctx context.Context, target string) error {
	ip := net.ParseIP(target)
	if ip == nil {
		return fmt.Errorf("%q is not an IP address", target)
	}
	c, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // nothing was buffered
	// The first packet may wait for ARP, in a guest that runs in a guest.
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	id := os.Getpid() & 0xffff
	msg, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: 1, Data: []byte("cairn")}}).Marshal(nil)
	if err != nil {
		return err
	}
	if _, err := c.WriteTo(msg, &net.IPAddr{IP: ip}); err != nil {
		return err
	}
	buf := make([]byte, 1500)
	for ctx.Err() == nil {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		got, err := icmp.ParseMessage(ipv4.ICMPTypeEcho.Protocol(), buf[:n])
		if err != nil || got.Type != ipv4.ICMPTypeEchoReply {
			continue
		}
		if echo, ok := got.Body.(*icmp.Echo); ok && echo.ID == id && from.String() == ip.String() {
			return nil
		}
	}
	return ctx.Err()
}
