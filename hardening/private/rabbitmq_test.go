package private

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A node writes reports and reads its own queue, over three starts.
func TestRabbitMQKeepsItsData(t *testing.T) {
	if _, err := exec.LookPath("rabbitmq-server"); err != nil {
		t.Skip("rabbitmq-server is not installed; on Debian: apt-get install rabbitmq-server")
	}
	options := RabbitMQOptions{Dir: filepath.Join(t.TempDir(), "mq"), Nodes: []string{"n1"}}
	for round := range 2 {
		mq, err := StartRabbitMQ(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			queueOfNode(t, mq, "n1")
		}
		if err := mq.SetNodes(t.Context(), []string{"n1", "n2"}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"n1", "n2"} {
			c, err := mq.Dial(mq.Node(id))
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
		c, err := mq.Dial(mq.Node("n1"))
		if err != nil {
			t.Fatal(err)
		}
		ch, err := c.Channel()
		if err != nil {
			t.Fatal(err)
		}
		m, ok, err := ch.Get("node.n1", false)
		if err != nil || !ok || string(m.Body) != "hello" {
			t.Fatalf("round %d: message %q, %v, %v", round, m.Body, ok, err)
		}
		c.Close()
		if err := mq.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func queueOfNode(t *testing.T, mq *Broker, id string) {
	t.Helper()
	c, err := mq.Dial(mq.Controller())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("node."+id, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	sent, err := ch.PublishWithDeferredConfirmWithContext(context.Background(), "", "node."+id, true, false,
		amqp.Publishing{Body: []byte("hello"), DeliveryMode: amqp.Persistent})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := sent.WaitContext(t.Context()); !ok || err != nil {
		t.Fatalf("not confirmed: %v", err)
	}
}

// Nodes of two tests share a broker and do not know of each other.
func TestRabbitMQIsShared(t *testing.T) {
	for _, id := range []string{"shared-1", "shared-2"} {
		mq := RabbitMQ(t, id)
		c, err := mq.Dial(mq.Node(id))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}
