package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/cairn-cloud/cairn/node/host"
	"github.com/cairn-cloud/cairn/node/spec"
)

// A reference takes part in fabric checks of new machines. It asks the
// deployer, which answers when a round starts; a deployer that is not there is
// no fault of the node's. One that has enough nodes waiting answers at once.
type reference struct {
	base  string // URL of the node's own at the deployer
	trunk string // MAC
	http  *http.Client
	probe func(context.Context, spec.FabricOrder) (spec.FabricReport, error)
	log   *slog.Logger
	retry time.Duration // after a question that failed
}

const (
	deployerPort = "8443"
	deployerName = "deployer"       // in its certificate
	askAgain     = 30 * time.Second // after a question that nobody wanted
	waited       = 10 * time.Second // for less than that a deployer did not keep the node waiting
	maxAnswer    = 4 << 20          // bytes
)

// run asks until the context ends.
func (r *reference) run(ctx context.Context) error {
	last, trouble := 0, ""
	for ctx.Err() == nil {
		asked := time.Now()
		round, err := r.once(ctx, last)
		if err == nil && (round != last || time.Since(asked) > waited) {
			last, trouble = round, ""
			continue
		}
		last = round
		if err != nil && err.Error() != trouble && ctx.Err() == nil {
			trouble = err.Error() // once
			r.log.Info("not part of fabric checks now", "why", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(r.retry):
		}
	}
	return context.Cause(ctx)
}

// once waits for a round and takes part in it. It returns the round that the
// node took part in last.
func (r *reference) once(ctx context.Context, last int) (int, error) {
	var order *spec.FabricOrder
	if err := r.ask(ctx, http.MethodGet, "?after="+strconv.Itoa(last), nil, &order); err != nil || order == nil {
		return last, err
	}
	if err := order.Check(); err != nil {
		return last, err
	}
	// What the node probes on is not for others to say, and it does not ask for
	// its own address, which it has.
	mine := *order
	mine.Trunk, mine.Cards, mine.Management = r.trunk, nil, ""
	mine.Address, mine.Peers = spec.FabricOrder{}.Address, nil
	r.log.Info("fabric check", "round", mine.Round, "vlans", len(mine.VLANs), "machines", len(order.Peers))
	report, err := r.probe(ctx, mine)
	if err != nil {
		return mine.Round, fmt.Errorf("fabric check, round %d: %w", mine.Round, err)
	}
	err = r.ask(ctx, http.MethodPost, "", report, nil)
	if err != nil {
		r.log.Info("a report of a fabric check was not taken", "round", mine.Round, "why", err)
	}
	return mine.Round, nil
}

// ask sends in and reads out, both JSON; without an answer out stays nil.
func (r *reference) ask(ctx context.Context, method, query string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+query, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // a deployer has room for so many connections
	res, err := r.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusOK && out == nil:
		return nil
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("the deployer answers %s: %.200s", res.Status, bytes.TrimSpace(raw))
	}
	return json.Unmarshal(raw, out)
}

// probeProgram has another process of this program take part in a round: what
// reads frames of others does not share the agent's memory, and ends with the
// round.
func probeProgram(ctx context.Context, order spec.FabricOrder) (spec.FabricReport, error) {
	var report spec.FabricReport
	self, err := os.Executable()
	if err != nil {
		return report, err
	}
	in, err := json.Marshal(order)
	if err != nil {
		return report, err
	}
	p := host.Program{Path: self, Args: []string{"probe-fabric"}, Stdin: bytes.NewReader(in)}
	out, err := p.Run(ctx)
	if err != nil {
		return report, err
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return report, fmt.Errorf("report: %w", err)
	}
	if report.Round != order.Round {
		return report, errors.New("report of another round")
	}
	return report, nil
}

// referenceURL is a node's place at the deployer.
func referenceURL(deployer, node string) string {
	return deployer + "/v1/nodes/" + url.PathEscape(node) + "/fabric"
}
