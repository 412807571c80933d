package plan

import (
	"fmt"
	"path/filepath"
	"strings"
)

// against is what the rule has against the disk before it is looked at
// closely; empty: nothing. The medium that we install from is never meant, and
// removable disks only by name.
func (r *DiskRule) against(d Disk, named string) string {
	switch {
	case d.Medium:
		return "it is what the installation comes from"
	case named != "" && !d.called(named) && d.Serial != named:
		return ParamDisk + " is " + named
	case named != "":
		return ""
	case r.Path != "" && !d.called(r.Path):
		return "path is " + d.Path + orSame(d.ByPath, " or ") + "; wanted " + r.Path
	case r.Serial != "" && r.Serial != d.Serial && r.Serial != d.WWN:
		return "serial is " + orNone(d.Serial) + "; wanted " + r.Serial
	case r.Model != "" && !modelFits(r.Model, d.Model):
		return "model is " + orNone(d.Model) + "; wanted " + r.Model
	case r.Bus != "" && r.Bus != d.Bus:
		return "bus is " + orNone(d.Bus) + "; wanted " + r.Bus
	case r.Rotational != nil && *r.Rotational != d.Rotational:
		return fmt.Sprintf("rotational is %t; wanted %t", d.Rotational, *r.Rotational)
	case r.MaxGiB != 0 && d.Size > int64(r.MaxGiB)<<30:
		return fmt.Sprintf("%s is too large; wanted at most %d GiB", gib(d.Size), r.MaxGiB)
	case d.Removable && r.Path == "" && r.Serial == "" && r.Bus == "":
		return "it is removable, and the rule has neither path, serial nor bus"
	}
	return ""
}

func orSame(s, before string) string {
	if s == "" {
		return ""
	}
	return before + s
}

// called tells whether the disk has that path, as a device or as a place.
func (d Disk) called(path string) bool {
	return path == d.Path || d.ByPath != "" && strings.TrimPrefix(path, "/dev/disk/by-path/") == filepath.Base(d.ByPath)
}

// modelFits tells whether a model is meant: by a pattern of the whole, or by
// a part of it.
func modelFits(want, model string) bool {
	want, model = strings.ToLower(want), strings.ToLower(model)
	if strings.ContainsAny(want, "*?") {
		return glob(want, model)
	}
	return strings.Contains(model, want)
}

// asks says in words what the rule wants.
func (r *DiskRule) asks(named string) string {
	if named != "" {
		return ParamDisk + "=" + named
	}
	var words []string
	for _, w := range []struct{ key, value string }{
		{"path", r.Path}, {"serial", r.Serial}, {"model", r.Model}, {"bus", r.Bus},
	} {
		if w.value != "" {
			words = append(words, w.key+" "+w.value)
		}
	}
	if r.Rotational != nil {
		words = append(words, fmt.Sprintf("rotational %t", *r.Rotational))
	}
	if r.MaxGiB != 0 {
		words = append(words, fmt.Sprintf("at most %d GiB", r.MaxGiB))
	}
	if len(words) == 0 {
		return "any disk that is not removable"
	}
	return strings.Join(words, ", ")
}

// diskList names disks so that a person can tell them apart.
func diskList(disks []Disk) string {
	var words []string
	for _, d := range disks {
		words = append(words, d.String())
	}
	return strings.Join(words, ", ")
}

// String names the disk, its size and what it is.
func (d Disk) String() string {
	words := []string{gib(d.Size)}
	if d.Model != "" {
		words = append(words, d.Model)
	}
	if d.Serial != "" {
		words = append(words, "serial "+d.Serial)
	}
	for _, flag := range []struct {
		set  bool
		word string
	}{{d.Removable, "removable"}, {d.ReadOnly, "read-only"}, {d.Medium, "the installation medium"}} {
		if flag.set {
			words = append(words, flag.word)
		}
	}
	return d.Path + " (" + strings.Join(words, ", ") + ")"
}
