package installer

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/swarm"
)

// A sharer is what a machine needs to fetch chunks of the image from others
// that install, and to give them its own.
type sharer struct {
	report func(context.Context, plan.Have) (plan.Swarm, error)
	listen func(context.Context) (net.Listener, error)
}

// Share is nil: the medium is nearer than any other machine.
func (l *local) Share() *sharer { return nil }

// Share asks the deployer who else installs.
func (r *remote) Share() *sharer { return &sharer{report: r.client.Have, listen: r.listen} }

// listen listens where the deployer, and so the other machines, see us.
func (r *remote) listen(ctx context.Context) (net.Listener, error) {
	host := r.host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	var d net.Dialer
	probe, err := d.DialContext(ctx, "udp", net.JoinHostPort(host, strconv.Itoa(plan.HTTPSPort))) // sends nothing
	if err != nil {
		return nil, fmt.Errorf("own address: %w", err)
	}
	defer probe.Close()
	own, ok := probe.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("own address: %s is none", probe.LocalAddr())
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", net.JoinHostPort(own.IP.String(), strconv.Itoa(plan.HTTPPort)))
}

// share has the writer fetch root.img from other machines too, and serves them
// what lies on its disk, until stop is called. Without others it changes
// nothing.
func (j *job) share(ctx context.Context, w *writer) (stop func(), err error) {
	s, nothing := j.from.Share(), func() {}
	if s == nil {
		return nothing, nil
	}
	root, err := j.release.Manifest.File(manifest.Root)
	if err != nil {
		return nothing, err
	}
	slot, ok := w.plan.Partition(plan.LabelSlotA)
	if !ok {
		return nothing, fmt.Errorf("the plan has no partition %s", plan.LabelSlotA)
	}
	o := swarm.Options{File: root, Release: j.release, Report: s.report, Say: j.print, Log: j.log}
	ctx, cancel := context.WithCancel(ctx)
	l, err := s.listen(ctx)
	if err != nil {
		j.log.Warn("no chunks for peers", "error", err)
	} else if a, ok := l.Addr().(*net.TCPAddr); ok {
		o.Port = a.Port
	}
	w.swarm = swarm.Start(ctx, o)
	w.from = w.swarm
	var serving sync.WaitGroup
	if l != nil {
		serving.Go(func() {
			if err := w.swarm.Serve(ctx, l, w.plan.Disk.Path, slot.Start); err != nil {
				j.log.Warn("no more chunks for peers", "error", err)
			}
		})
	}
	return func() {
		cancel()
		w.swarm.Stop()
		serving.Wait()
	}, nil
}

// shared adds to a copy of root.img what the swarm wants to know and to decide.
func (w *writer) shared(c *disk.Copy) {
	if w.swarm != nil && c.File.Name == manifest.Root {
		c.Next, c.Has = w.swarm.Next, w.swarm.Has
	}
}

// fetched says where root.img came from.
func (w *writer) fetched() {
	if w.swarm == nil {
		return
	}
	deployer, peers, given := w.swarm.Totals()
	w.phases.print("%.0f MB of the image came from the deployer and %.0f MB from other machines, which had %.0f MB from this one",
		float64(deployer)/megabyte, float64(peers)/megabyte, float64(given)/megabyte)
}
