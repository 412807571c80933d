package recipe

import (
	"slices"
	"testing"
)

func TestEverythingHasAReason(t *testing.T) {
	r := System(Options{Firmware: true})
	seen := map[string]bool{}
	for _, p := range r.Packages {
		if p.Why == "" || p.Role == "" {
			t.Errorf("package %s has no reason or no role", p.Name)
		}
		if seen[p.Name] {
			t.Errorf("package %s is there twice", p.Name)
		}
		seen[p.Name] = true
	}
	for _, d := range r.Drivers {
		if d.Why == "" || seen["driver "+d.Module] {
			t.Errorf("driver %s has no reason or is there twice", d.Module)
		}
		seen["driver "+d.Module] = true
	}
	for _, p := range slices.Concat(r.Remove, r.NoModules, r.Needs, r.Profiles) {
		if p.Why == "" {
			t.Errorf("%s has no reason", p.Path)
		}
	}
}

func TestFirmwareIsAnOption(t *testing.T) {
	without, with := System(Options{}), System(Options{Firmware: true})
	if slices.Contains(without.Components, "non-free-firmware") || !slices.Contains(with.Components, "non-free-firmware") {
		t.Errorf("components: %v without, %v with firmware", without.Components, with.Components)
	}
	if len(with.Packages) <= len(without.Packages) {
		t.Error("firmware adds no package")
	}
}

func TestNoBuildToolsInTheImage(t *testing.T) {
	r := System(Options{})
	for _, name := range r.Names() {
		if slices.Contains([]string{"gcc", "make", "golang", "build-essential", "apt"}, name) {
			t.Errorf("the image wants %s", name)
		}
	}
}
