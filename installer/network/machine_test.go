package network

import (
	"testing"

	"github.com/cairn-cloud/cairn/qa/inside"
)

func TestMain(m *testing.M) { inside.Main(m, "bonding", "8021q") }

// TestInMachine runs the tests that are named TestInside. Cards 0 and 2 are the
// ends of one cable, 1 and 3 those of the other.
func TestInMachine(t *testing.T) { inside.Machine{Cables: 2}.Run(t, "") }
