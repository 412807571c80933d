package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/google/uuid"
)

// A Memory is a bus inside one process: what a broker would keep is in
// unbounded queues.
type Memory struct {
	reports *queue

	mu    sync.Mutex // guards nodes and calls
	nodes map[string]*queue
	calls map[string]chan spec.Reply
}

// NewMemory returns an empty bus.
func NewMemory() *Memory {
	return &Memory{reports: newQueue(), nodes: map[string]*queue{}, calls: map[string]chan spec.Reply{}}
}

// Controller returns the controller's end.
func (m *Memory) Controller() Controller { return &memoryController{m: m, life: newLife()} }

// Node returns the end of the node with this id.
func (m *Memory) Node(id string) Node { return &memoryNode{m: m, id: id, life: newLife()} }

func (m *Memory) node(id string) (*queue, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q, ok := m.nodes[id]
	if !ok {
		return nil, fmt.Errorf("node %s: %w", id, ErrNoNode)
	}
	return q, nil
}

// waitNode waits until the controller has made the node's queue.
func (m *Memory) waitNode(ctx context.Context, id string) (*queue, error) {
	for {
		if q, err := m.node(id); err == nil {
			return q, nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (m *Memory) reply(r spec.Reply) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.calls[r.ID]; ok {
		delete(m.calls, r.ID)
		c <- r
	}
}

// A life ends once.
type life struct {
	once sync.Once
	done chan struct{}
}

func newLife() *life { return &life{done: make(chan struct{})} }

func (l *life) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *life) Connected() error {
	select {
	case <-l.done:
		return ErrClosed
	default:
		return nil
	}
}

// context returns ctx, ended when l ends.
func (l *life) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-l.done:
			cancel(ErrClosed)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

type memoryController struct {
	*life
	m *Memory
}

func (c *memoryController) EnsureNode(ctx context.Context, node string) error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if _, ok := c.m.nodes[node]; !ok {
		c.m.nodes[node] = newQueue()
	}
	return ctx.Err()
}

func (c *memoryController) Publish(ctx context.Context, node string, d spec.Desired) error {
	q, err := c.m.node(node)
	if err != nil {
		return err
	}
	q.push(d)
	return ctx.Err()
}

func (c *memoryController) Call(ctx context.Context, node string, r spec.Request) (spec.Reply, error) {
	q, err := c.m.node(node)
	if err != nil {
		return spec.Reply{}, err
	}
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	answer := make(chan spec.Reply, 1)
	c.m.mu.Lock()
	c.m.calls[r.ID] = answer
	c.m.mu.Unlock()
	q.push(r)
	select {
	case a := <-answer:
		return a, nil
	case <-c.done:
		return spec.Reply{}, ErrClosed
	case <-ctx.Done():
		c.m.mu.Lock()
		delete(c.m.calls, r.ID)
		c.m.mu.Unlock()
		return spec.Reply{}, fmt.Errorf("ask node %s for %s: %w", node, r.Op, context.Cause(ctx))
	}
}

func (c *memoryController) Run(ctx context.Context, h ControllerHandler) error {
	ctx, cancel := c.life.context(ctx)
	defer cancel()
	return c.m.reports.drain(ctx, func(ctx context.Context, doc any) error {
		switch d := doc.(type) {
		case spec.Report:
			return h.Report(ctx, d)
		case spec.Heartbeat:
			return h.Heartbeat(ctx, d)
		case spec.Reply:
			c.m.reply(d)
		}
		return nil
	})
}

type memoryNode struct {
	*life
	m  *Memory
	id string
}

func (n *memoryNode) Run(ctx context.Context, h NodeHandler) error {
	ctx, cancel := n.life.context(ctx)
	defer cancel()
	q, err := n.m.waitNode(ctx, n.id)
	if err != nil {
		return err
	}
	var requests sync.WaitGroup
	defer requests.Wait()
	return q.drain(ctx, func(ctx context.Context, doc any) error {
		switch d := doc.(type) {
		case spec.Desired:
			return h.Desired(ctx, d)
		case spec.Request:
			requests.Go(func() {
				a := h.Request(ctx, d)
				a.ID, a.Node = d.ID, n.id
				n.m.reports.push(a)
			})
		}
		return nil
	})
}

func (n *memoryNode) Report(ctx context.Context, r spec.Report) error {
	if err := n.Connected(); err != nil {
		return err
	}
	r.Node = n.id
	n.m.reports.push(r)
	return ctx.Err()
}

func (n *memoryNode) Heartbeat(ctx context.Context, h spec.Heartbeat) error {
	if err := n.Connected(); err != nil {
		return err
	}
	h.Node = n.id
	n.m.reports.push(h)
	return ctx.Err()
}

// A queue holds documents until a handler has taken them.
type queue struct {
	mu   sync.Mutex // guards docs
	docs []any
	more chan struct{} // holds one token while docs may not be empty
}

func newQueue() *queue { return &queue{more: make(chan struct{}, 1)} }

func (q *queue) push(doc any) {
	q.mu.Lock()
	q.docs = append(q.docs, doc)
	q.mu.Unlock()
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *queue) pop() (any, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.docs) == 0 {
		return nil, false
	}
	doc := q.docs[0]
	q.docs = q.docs[1:]
	return doc, true
}

func (q *queue) putBack(doc any) {
	q.mu.Lock()
	q.docs = append([]any{doc}, q.docs...)
	q.mu.Unlock()
	q.wake()
}

// drain hands each document to f until ctx ends. What f did not take goes
// back.
func (q *queue) drain(ctx context.Context, f func(context.Context, any) error) error {
	defer q.wake() // for whoever drains next
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-q.more:
		}
		for ctx.Err() == nil {
			doc, ok := q.pop()
			if !ok {
				break
			}
			if err := persist(ctx, time.Millisecond, func() error { return f(ctx, doc) }); err != nil {
				q.putBack(doc)
				return err
			}
		}
	}
}
