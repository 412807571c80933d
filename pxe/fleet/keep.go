package fleet

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// A batch is changes of records that are written in one transaction. A rack
// that is switched on says very much at once, and each write waits for the
// disk.
type batch struct {
	values  map[string][]byte  // by key, in JSON; nil: forgotten
	records map[string]*record // the same; nil: forgotten
	done    chan struct{}
	err     error // valid after done
}

// A keeping is what the database has, and what is on its way to it. Guarded by
// Fleet.mu.
type keeping struct {
	kept    map[string]*record // as the database has them; what others are shown
	next    *batch             // gathers changes while another one is written; may be nil
	writing *batch             // nil: nothing is written
	open    bool               // somebody is inside durably
	after   []func() error     // of who is
}

// durably runs do under the lock, and returns when everything that do has
// changed or seen is on disk: before that nobody may be told of it. Changes
// that cannot be written are taken back, and are an error of all who wait for
// them. An error of do comes back at once.
func (f *Fleet) durably(do func() error) error {
	after, b, err := f.decide(do)
	if err != nil {
		return err
	}
	for _, write := range after {
		err = errors.Join(err, write())
	}
	if b != nil {
		<-b.done
		err = errors.Join(err, b.err)
	}
	return err
}

// decide runs do under the lock, and returns what has to be done, and the batch
// that has to be written, before anybody is told.
func (f *Fleet) decide(do func() error) (after []func() error, b *batch, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keeping.open, f.keeping.after = true, nil
	defer func() { f.keeping.open = false }()
	err = do()
	return f.keeping.after, f.pending(), err
}

// later has write called before anybody is told of what do in durably did.
func (f *Fleet) later(write func() error) {
	f.keeping.after = append(f.keeping.after, write)
}

// change is what every change of a record goes through: do works on a copy,
// which counts from then on. It is called inside [Fleet.durably] alone. An
// error of do changes nothing.
func (f *Fleet) change(r *record, do func(*record) error) error {
	c := *r
	c.Machine = r.Machine.clone()
	if err := do(&c); err != nil {
		return err
	}
	return f.store(&c)
}

var errOutside = errors.New("a record is changed outside of durably, and nobody would wait for the disk")

func (f *Fleet) store(r *record) error {
	if !f.keeping.open {
		return errOutside
	}
	r.Machine.Traffic = r.traffic()
	v, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("machine %s: %w", r.Machine.ID, err)
	}
	r.digest = sha256.Sum256(v)
	if old := f.records[r.Key]; old != nil && old.digest == r.digest {
		return nil
	}
	f.records[r.Key] = r
	f.put(r.Key, r, v)
	return nil
}

// remove forgets a machine.
func (f *Fleet) remove(r *record) error {
	if !f.keeping.open {
		return errOutside
	}
	delete(f.records, r.Key)
	f.put(r.Key, nil, nil)
	return nil
}

// put adds to what is written next.
func (f *Fleet) put(key string, r *record, value []byte) {
	if f.keeping.next == nil {
		f.keeping.next = &batch{values: map[string][]byte{}, records: map[string]*record{}, done: make(chan struct{})}
	}
	f.keeping.next.values[key], f.keeping.next.records[key] = value, r
}

// pending is the batch after which all that is known now is on disk; nil: it
// is already. The caller holds mu.
func (f *Fleet) pending() *batch {
	k := &f.keeping
	if k.next != nil && k.writing == nil {
		k.writing, k.next = k.next, nil
		go f.write(k.writing)
	}
	if k.next != nil {
		return k.next
	}
	return k.writing
}

// write writes a batch, and those that came meanwhile. It ends when there is
// none.
func (f *Fleet) write(b *batch) {
	for b != nil {
		err := f.conf.DB.Update(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(bucketMachines())
			for key, v := range b.values {
				var err error
				if v == nil {
					err = bucket.Delete([]byte(key))
				} else {
					err = bucket.Put([]byte(key), v)
				}
				if err != nil {
					return fmt.Errorf("machine %s: %w", key, err)
				}
			}
			return nil
		})
		b = f.settle(b, err)
	}
}

// settle ends a batch, and returns the next one.
func (f *Fleet) settle(b *batch, err error) *batch {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := &f.keeping
	next := k.next
	k.writing, k.next = next, nil
	if err != nil {
		err = fmt.Errorf("keep machines: %w", err)
		f.takeBack(b, err)
		if next != nil { // it was decided on what is taken back
			f.takeBack(next, err)
			k.writing = nil
		}
		return nil
	}
	for key, r := range b.records {
		if r == nil {
			delete(k.kept, key)
		} else {
			k.kept[key] = r
		}
	}
	close(b.done)
	return next
}

// takeBack makes the records of a batch what the database has.
func (f *Fleet) takeBack(b *batch, err error) {
	for key := range b.records {
		if old := f.keeping.kept[key]; old != nil {
			f.records[key] = old
		} else {
			delete(f.records, key)
		}
	}
	b.err = err
	close(b.done)
}
