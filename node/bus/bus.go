// Package bus carries the documents of package spec between the controller
// and the nodes: desired state and requests one way, reports, heartbeats and
// replies the other.
//
// There are two implementations. [DialController] and [DialNode] speak AMQP
// 0-9-1 to RabbitMQ over mutual TLS; [NewMemory] joins both ends inside one
// process, for tests. Both pass the same conformance suite.
//
// Delivery is at least once and in no promised order, so every document says
// which generation it speaks of. A handler that returns an error is called
// again with the same document, after a pause, until it succeeds: return nil
// only when the document is durable or worthless.
package bus

import (
	"context"
	"errors"

	"github.com/cairn-cloud/cairn/node/spec"
)

// ErrNoNode is in the chain of an error when no queue exists for a node.
var ErrNoNode = errors.New("bus: the node has no queue")

// ErrClosed is in the chain of an error when the bus was closed.
var ErrClosed = errors.New("bus: closed")

// A Controller is the controller's end. All methods may be called at the same
// time; all but Run wait for the broker as long as their context allows.
type Controller interface {
	// EnsureNode makes the queue of a node, when it is not there yet.
	EnsureNode(ctx context.Context, node string) error
	// Publish returns nil when the broker has made the document durable in
	// the node's queue.
	Publish(ctx context.Context, node string, d spec.Desired) error
	// Call asks a node something and waits for its reply. Give ctx a
	// deadline: a node that is away does not answer. An empty r.ID is filled
	// in. Run must be running, since replies come in there. A reply with
	// Error set is returned as it is, with a nil error.
	Call(ctx context.Context, node string, r spec.Request) (spec.Reply, error)
	// Run hands what nodes say to h until ctx ends, and returns ctx's error.
	Run(ctx context.Context, h ControllerHandler) error
	// Connected tells nil while the broker can be reached, else why not.
	Connected() error
	// Close ends the connection. Methods that wait return ErrClosed.
	Close() error
}

// A ControllerHandler takes what nodes say. Its methods are called one after
// the other. The sender has been checked: Report.Node is who sent it.
type ControllerHandler interface {
	Report(ctx context.Context, r spec.Report) error
	Heartbeat(ctx context.Context, h spec.Heartbeat) error
}

// A Node is the end of one node.
type Node interface {
	// Run hands what the controller says to h until ctx ends, and returns
	// ctx's error.
	Run(ctx context.Context, h NodeHandler) error
	// Report returns nil when the broker has made the report durable.
	Report(ctx context.Context, r spec.Report) error
	// Heartbeat is Report for a document that is worthless half a minute
	// later.
	Heartbeat(ctx context.Context, h spec.Heartbeat) error
	// Connected tells nil while the broker can be reached, else why not.
	Connected() error
	// Close ends the connection. Methods that wait return ErrClosed.
	Close() error
}

// A NodeHandler takes what the controller says to one node. Desired is called
// for one document after the other, Request at any time.
type NodeHandler interface {
	Desired(ctx context.Context, d spec.Desired) error
	Request(ctx context.Context, r spec.Request) spec.Reply
}
