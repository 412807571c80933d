package plan

import "fmt"

// A Refusal says why a machine will not be installed. It is no fault of the
// program: Remedy is what a person can do about it.
type Refusal struct {
	Reason string
	Remedy string
}

func (r *Refusal) Error() string { return r.Reason + ". " + r.Remedy + "." }

func refuse(remedy, reason string, args ...any) error {
	return &Refusal{Reason: fmt.Sprintf(reason, args...), Remedy: remedy}
}
