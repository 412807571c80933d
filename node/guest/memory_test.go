package guest

import (
	"testing"

	"github.com/cairn-cloud/cairn/node/spec"
)

func TestMemory(t *testing.T) {
	conform(t, stand{
		driver: NewMemory(spec.Hypervisor{Driver: spec.DriverQEMU, Version: "1"}),
		spec:   func(_ *testing.T, id string) Spec { return Spec{ID: id} },
	})
}
