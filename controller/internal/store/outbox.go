package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A Message is a promise that a transaction made: to tell somebody something.
// Messages of one subject are published in the order in which they were added;
// so transactions that add to one subject must lock something of it first (the
// row whose new state the message tells). One may be published twice.
type Message struct {
	ID      int64
	Topic   string // what sort of message, like "desired"
	Subject string // whom it is for and what orders it, like a node's id
	Body    json.RawMessage
}

// Publish adds a message to the outbox of the transaction's schema: it is sent
// if and only if the transaction commits.
func (tx *Tx) Publish(ctx context.Context, topic, subject string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("publish %s for %s: %w", topic, subject, err)
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO outbox (topic, subject, body) VALUES (?, ?, ?)", topic, subject, string(b))
	if err != nil {
		return fmt.Errorf("publish %s for %s: %w", topic, subject, err)
	}
	tx.published = true
	return nil
}

// outboxBatch is how many messages are read at once.
const outboxBatch = 100

// Dispatch takes messages out of the outbox until ctx ends. A message leaves
// the table only after publish has returned nil: so publish must return only
// when the message is safe (confirmed). While publish fails for a subject,
// later messages of that subject wait and others go on.
func (db *DB) Dispatch(ctx context.Context, log *slog.Logger, publish func(context.Context, Message) error) error {
	const idle, retry = 2 * time.Second, time.Second
	for {
		failed, err := db.dispatchOnce(ctx, log, publish)
		if err != nil && ctx.Err() == nil {
			log.Warn("outbox: cannot read", "database", db.name, "error", err)
		}
		pause := idle
		if failed > 0 || err != nil {
			pause = retry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-db.wake:
		case <-time.After(pause):
		}
	}
}

// dispatchOnce publishes what is there.
func (db *DB) dispatchOnce(ctx context.Context, log *slog.Logger, publish func(context.Context, Message) error) (failed int, err error) {
	blocked := map[string]bool{}
	var after int64
	for {
		batch, err := db.outboxAfter(ctx, after)
		if err != nil || len(batch) == 0 {
			return failed, err
		}
		for _, m := range batch {
			after = m.ID
			if blocked[m.Subject] {
				continue
			}
			if err := publish(ctx, m); err != nil {
				log.Warn("outbox: cannot publish yet", "topic", m.Topic, "subject", m.Subject, "error", err)
				blocked[m.Subject] = true
				failed++
				continue
			}
			if _, err := db.ExecContext(ctx, "DELETE FROM outbox WHERE id = ?", m.ID); err != nil {
				return failed, err
			}
		}
	}
}

func (db *DB) outboxAfter(ctx context.Context, id int64) (list []Message, err error) {
	rows, err := db.QueryContext(ctx, "SELECT id, topic, subject, body FROM outbox WHERE id > ? ORDER BY id LIMIT ?", id, outboxBatch)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m Message
		var body string
		if err := rows.Scan(&m.ID, &m.Topic, &m.Subject, &body); err != nil {
			return nil, err
		}
		m.Body = json.RawMessage(body)
		list = append(list, m)
	}
	return list, rows.Err()
}
