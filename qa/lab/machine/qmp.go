package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// control speaks QMP, QEMU's control protocol: one JSON object per line,
// answers in the order of the questions, events in between.
type control struct {
	mu   sync.Mutex // one question at a time; guards all below
	conn net.Conn
	in   *json.Decoder
}

// qmpDeadline bounds one question. QEMU answers from its main loop, which a
// busy host can hold up.
const qmpDeadline = 2 * time.Minute

// newControl waits for QEMU's greeting and leaves negotiation.
func newControl(ctx context.Context, conn net.Conn) (*control, error) {
	c := &control{conn: conn, in: json.NewDecoder(conn)}
	var greeting struct {
		QMP json.RawMessage `json:"QMP"`
	}
	if err := conn.SetDeadline(time.Now().Add(qmpDeadline)); err != nil {
		return nil, err
	}
	if err := c.in.Decode(&greeting); err != nil {
		return nil, fmt.Errorf("no greeting from QEMU: %w", err)
	}
	return c, c.do(ctx, "qmp_capabilities", nil, nil)
}

// do has QEMU execute a command and decodes what it returns into out, unless
// that is nil.
func (c *control) do(ctx context.Context, command string, args map[string]any, out any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	deadline := time.Now().Add(qmpDeadline)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("qmp %s: %w", command, err)
	}
	question := map[string]any{"execute": command}
	if args != nil {
		question["arguments"] = args
	}
	if err := json.NewEncoder(c.conn).Encode(question); err != nil {
		return fmt.Errorf("qmp %s: %w", command, err)
	}
	for {
		var a struct {
			Event  string          `json:"event"`
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		if err := c.in.Decode(&a); err != nil {
			c.conn.Close() // an answer that comes late would be taken for the next
			return fmt.Errorf("qmp %s: %w", command, err)
		}
		switch {
		case a.Error != nil:
			return fmt.Errorf("qmp %s: %w", command, errors.New(a.Error.Desc))
		case a.Event != "":
			continue
		case out == nil:
			return nil
		}
		if err := json.Unmarshal(a.Return, out); err != nil {
			return fmt.Errorf("qmp %s: %w", command, err)
		}
		return nil
	}
}

// human has QEMU execute a command of its human monitor and returns the text.
func (c *control) human(ctx context.Context, line string) (string, error) {
	var text string
	err := c.do(ctx, "human-monitor-command", map[string]any{"command-line": line}, &text)
	return text, err
}
