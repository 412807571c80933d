package hardening

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A Control is one rule of how a machine must be.
type Control struct {
	ID     string // short and stable: what reports name
	Title  string
	Why    string
	Source string   // where the rule comes from
	Roles  []string // of the nodes that it is for; none: all

	// Apply renders the rule's files below Target.Root. It may run any number
	// of times, and needs nothing but the files of the image.
	Apply func(context.Context, *Target) error
	// Check looks at the machine and says what it found. Every part of the
	// rule gives one finding, good or bad.
	Check func(context.Context, *Target) []Finding
}

// A Finding is what a check saw of one part of a rule.
type Finding struct {
	Item   string `json:"item"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Wanted string `json:"wanted"`
}

// A Target is the machine that controls are applied to or checked on.
type Target struct {
	Root string // of its file system; "/" for the machine that runs this
	Node Node
	Log  *slog.Logger
}

// Controls lists the controls of the node in the order in which they are
// applied: accounts before what they own, secrets before what names them.
func Controls(n *Node) []Control {
	all := []Control{
		accounts(), identity(), directories(), secrets(),
		network(), firewall(), kernelSettings(), modules(), coreDumps(),
		units(), journal(), clock(), sshControl(),
		mariadb(), rabbitmq(), appArmor(), libvirt(),
		controllerService(), deployService(), nodeService(), nodeRecord(),
	}
	var list []Control
	for _, c := range all {
		if n.Has(c.Roles...) {
			list = append(list, c)
		}
	}
	return list
}

// Apply renders all of /etc and makes the secrets that a first boot lacks. It
// is called in the initramfs, after the data partition is mounted and before
// systemd starts. Controls go on after one that failed, so that a machine that
// is not right can still be reached; the error joins all failures.
func Apply(ctx context.Context, t *Target) error {
	began := time.Now()
	var failed []error
	for _, c := range Controls(&t.Node) {
		if err := c.Apply(ctx, t); err != nil {
			failed = append(failed, fmt.Errorf("control %s: %w", c.ID, err))
		}
	}
	if t.Log != nil {
		t.Log.Info("configuration rendered", "node", t.Node.Name, "roles", t.Node.Roles,
			"failed", len(failed), "after", time.Since(began).Round(time.Millisecond))
	}
	return errors.Join(failed...)
}

// nodeRecord keeps what Apply was called with, for the audit.
func nodeRecord() Control {
	files := func(t *Target) ([]File, error) {
		text, err := json.MarshalIndent(t.Node, "", "  ")
		return []File{{Path: NodeFile, Text: string(text) + "\n"}}, err
	}
	return Control{
		ID: "record", Title: "The machine knows what it should be",
		Why:    "an audit compares what is with what was decided, not with what it guesses",
		Source: "DESIGN.md, On disk",
		Apply:  render(files), Check: rendered(files),
	}
}
