// Package recipe says what the system image consists of, as a value: which
// packages and why, which kernel drivers, what is left out. It does nothing
// and imports the standard library only.
package recipe

import "slices"

// A Recipe is one kind of system image.
type Recipe struct {
	Suite      string
	Components []string
	Kernel     string // metapackage; unpacked, not installed
	Packages   []Package
	Remove     []Path   // taken out after the installation
	Exclude    []string // dpkg path patterns that are never unpacked
	Include    []string // dpkg path patterns that are kept nevertheless
	Needs      []Path   // what has to be there in the end
	Masked     []string // units that may never start
	Profiles   []Path   // what AppArmor confines from the start; guests get theirs from libvirt
	Drivers    []Driver // kernel modules of the initramfs
	NoModules  []Path   // module directories that no server needs
	Firmware   bool     // firmware of NICs and HBAs in image and initramfs

	KeepFirmware []Path // files that drivers ask for though their modules do not say so
}

// A Role is who needs something. The image is one for all roles; the role
// tells why a package is in it.
type Role string

// Who needs a package.
const (
	Base       Role = "base" // every node
	Controller Role = "controller"
	Compute    Role = "compute"
	Deployer   Role = "deployer" // a controller while it serves the rack's boots
)

// A Package is wanted by name. What it depends on follows by itself.
type Package struct {
	Name string
	Role Role
	Why  string
}

// A Path is a file or directory, below the root or below the modules, that
// is not wanted. It may be a pattern of path.Match.
type Path struct {
	Path string
	Why  string
}

// Options vary the recipe.
type Options struct {
	Firmware bool // add firmware of common NICs and HBAs (from non-free-firmware)
}

// System is the recipe of the system image.
func System(o Options) Recipe {
	r := Recipe{
		Suite:      "trixie",
		Components: []string{"main"},
		Kernel:     "linux-image-amd64",
		Packages:   slices.Clone(packages),
		Remove:     remove,
		Exclude:    exclude,
		Include:    include,
		Needs:      needs,
		Masked:     masked,
		Profiles:   profiles,
		Drivers:    drivers,
		NoModules:  noModules,
		Firmware:   o.Firmware,
	}
	if o.Firmware {
		r.Components = append(r.Components, "non-free-firmware")
		r.Packages = append(r.Packages, firmware...)
		r.KeepFirmware = keepFirmware
	}
	return r
}

// Names lists the wanted packages by name.
func (r *Recipe) Names() []string {
	var names []string
	for _, p := range r.Packages {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}
