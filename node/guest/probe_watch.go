package guest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// keptWords bounds what is kept of a probe's console, in bytes.
const keptWords = 64 << 10

// A verdict ends a probe.
type verdict struct{ answer Answer }

func (v *verdict) Error() string { return v.answer.Reason }

// A transcript takes what a kernel prints and ends its probe when the answer
// is known: the program has spoken, or nobody has for too long.
type transcript struct {
	probe Probe
	end   context.CancelCauseFunc
	began time.Time

	mu      sync.Mutex // guards what follows
	silence *time.Timer
	words   []byte // of the kernel
	told    []byte // by QEMU
}

// start starts both clocks. The caller has to call stop.
func (t *transcript) start() (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = time.Now()
	t.silence = time.AfterFunc(t.probe.Silence, t.silent)
	limit := time.AfterFunc(t.probe.Limit, func() {
		t.say(no("%s opened, but a kernel was not done in %v%s", t.probe.name(), t.probe.Limit, t.lastWords()))
	})
	return func() { t.silence.Stop(); limit.Stop() }
}

func (t *transcript) say(a Answer) { t.end(&verdict{a}) }

func (t *transcript) silent() {
	last := t.lastWords()
	if last == "" {
		t.say(no("%s opened, but a kernel printed nothing in %v%s", t.probe.name(), t.probe.Silence, t.complaint()))
		return
	}
	t.say(no("%s opened, but a kernel printed nothing more in %v%s%s", t.probe.name(), t.probe.Silence, last, t.complaint()))
}

// Write takes what comes out of the kernel's console.
func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.words = kept(append(t.words, b...))
	t.silence.Reset(t.probe.Silence)
	if bytes.Contains(t.words, []byte(payloadWord)) {
		took := time.Since(t.began).Round(100 * time.Millisecond)
		t.say(Answer{true, fmt.Sprintf("a kernel has run a program under %s, %v after its power-on", t.probe.name(), took)})
	}
	return len(b), nil
}

// lastWords is the last line that the kernel printed, with a word before it;
// empty when there is none.
func (t *transcript) lastWords() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return quoteLast("; its last words: ", t.words)
}

// complaint is the same for QEMU.
func (t *transcript) complaint() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return quoteLast("; QEMU says: ", t.told)
}

func quoteLast(before string, text []byte) string {
	lines := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if l := strings.TrimSpace(lines[i]); l != "" {
			return fmt.Sprintf("%s%.200q", before, l)
		}
	}
	return ""
}

// complaints take what QEMU says of itself.
type complaints transcript

// gaveUp is what QEMU says when it has stopped a guest for good.
const gaveUp = "KVM internal error"

// Write is that of the standard error of QEMU.
func (c *complaints) Write(b []byte) (int, error) {
	t := (*transcript)(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = kept(append(t.told, b...))
	for line := range bytes.Lines(t.told) {
		if bytes.HasPrefix(line, []byte(gaveUp)) && bytes.HasSuffix(line, []byte("\n")) {
			t.say(no("%s opened, but gave up on a kernel: %s%s", t.probe.name(), bytes.TrimSpace(line), quoteLast("; its last words: ", t.words)))
		}
	}
	return len(b), nil
}

func kept(b []byte) []byte { return b[max(0, len(b)-keptWords):] }
