package cloud

import "time"

// A Clock tells the time, in UTC and without monotonic reading, to the
// microsecond (what the database keeps).
type Clock func() time.Time

// SystemClock is the time of the machine.
func SystemClock() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
