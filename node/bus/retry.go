package bus

import (
	"context"
	"time"
)

// longestPause bounds the pauses between attempts.
const longestPause = 15 * time.Second

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// persist calls f until it returns nil, with growing pauses from first on. It
// returns an error only when ctx has ended.
func persist(ctx context.Context, first time.Duration, f func() error) error {
	for wait := first; ; wait = min(2*wait, longestPause) {
		if f() == nil {
			return nil
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}
