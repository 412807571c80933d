package machine

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProcessor(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, "-accel tcg,thread=multi,tb-size=256 -cpu " + DefaultCPU},
		{Spec{Accel: TCG, CPU: "max", CacheMiB: 32}, "-accel tcg,thread=multi,tb-size=32 -cpu max"},
		{Spec{Accel: KVM, CacheMiB: 32}, "-accel kvm -cpu host"},
	} {
		if d := cmp.Diff(c.want, strings.Join(c.spec.processor(), " ")); d != "" {
			t.Error(d)
		}
		if args := c.spec.arguments(""); !slices.Contains(args, "-smp") || slices.Index(args, "-accel") != slices.Index(args, "-cpu")-2 {
			t.Errorf("arguments: %q", args)
		}
	}
}
