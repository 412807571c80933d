package federation

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Keys are fetched again when they are old, and when a token has one that is
// not known, but not more often than every while: whoever makes up key ids
// makes us ask the issuer no more than that.
const (
	keysAge   = time.Hour
	keysWhile = 30 * time.Second
	keysLast  = 24 * time.Hour // how old keys may be that cannot be fetched again
)

// keys are an issuer's published keys.
type keys struct {
	fetching sync.Mutex // held while they are fetched

	mu      sync.Mutex // guards what follows
	set     jose.JSONWebKeySet
	fetched time.Time // when the set was
	tried   time.Time
	failed  error // of the last try
}

// keysFor are the keys with an id; all, if the token names none. Who has a key
// that is known does not wait for those who have not.
func (i *Issuer) keysFor(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	k := &i.keys
	if k.due(i.clock(), id) {
		k.fetching.Lock()
		if k.due(i.clock(), id) { // nobody has while we waited
			i.refresh(ctx)
		}
		k.fetching.Unlock()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if i.clock().Sub(k.fetched) > keysLast {
		return nil, fmt.Errorf("%w: there are no keys of it: %w", ErrAway, k.failed)
	}
	found := k.find(id)
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: the issuer has no key of its id", ErrToken)
	}
	return found, nil
}

// due tells whether keys ought to be fetched, and may be.
func (k *keys) due(now time.Time, id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return (now.Sub(k.fetched) > keysAge || len(k.find(id)) == 0) && now.Sub(k.tried) >= keysWhile
}

// find needs mu.
func (k *keys) find(id string) []jose.JSONWebKey {
	if id == "" {
		return k.set.Keys
	}
	return k.set.Key(id)
}

// refresh fetches the keys.
func (i *Issuer) refresh(ctx context.Context) {
	// Others need them too, whether this client still waits or not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*answerPatience)
	defer cancel()
	set, err := i.fetchKeys(ctx)
	k := &i.keys
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried, k.failed = i.clock(), err
	if err == nil {
		k.set, k.fetched = set, k.tried
	}
}

func (i *Issuer) fetchKeys(ctx context.Context) (set jose.JSONWebKeySet, err error) {
	address := i.s.KeysURL
	if address == "" {
		if address, _, err = i.discover(ctx); err != nil {
			return set, err
		}
		if err := i.own(address); err != nil {
			return set, err
		}
	}
	return set, fetch(ctx, i.client, address, &set)
}
