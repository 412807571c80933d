package installer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/rackfile"
	"github.com/cairn-cloud/cairn/installer/source"
)

// A rackText is a rack.yaml as it was found, and where.
type rackText struct {
	raw  []byte
	from string // for people
}

// parse makes the text fit the machine and reads it. The first result is what
// the rack is kept as: substitutions are made once, by the machine that reads
// rack.yaml.
func (t rackText) parse(v rackfile.Values) ([]byte, *plan.Rack, error) {
	raw, err := v.Text(t.raw)
	if err == nil {
		var rack *plan.Rack
		if rack, err = plan.ParseRack(raw); err == nil {
			return raw, rack, nil
		}
	}
	return nil, nil, &plan.Refusal{Reason: err.Error(), Remedy: "Correct rack.yaml, which is from " + t.from + "; the line and what is allowed are above"}
}

// A rackPlace looks for a rack.yaml. No text and no error: there is none.
type rackPlace func(context.Context) (rackText, error)

// firstRack asks one place after the other. No text: there is none anywhere.
func firstRack(ctx context.Context, places ...rackPlace) (rackText, error) {
	for _, look := range places {
		if t, err := look(ctx); err != nil || t.raw != nil {
			return t, err
		}
	}
	return rackText{}, nil
}

// rack finds the text of rack.yaml. What was made for this start of the
// machine goes before what was made for the machine, and that before what
// the medium tells every machine.
func (m *machine) rack(ctx context.Context, dir string, inv plan.Inventory) (rackText, error) {
	return firstRack(ctx,
		func(ctx context.Context) (rackText, error) { return m.namedRack(ctx, dir, inv) },
		m.confRack,
		func(context.Context) (rackText, error) { return sealedRack(dir) },
		func(context.Context) (rackText, error) {
			return plainRack(dir, "/"+releaseDir+"/rack.yaml on the medium")
		})
}

// maxRack bounds a rack.yaml in a file that the kernel line names, in bytes.
const maxRack = 1 << 20

// namedRack reads the rack.yaml of the kernel line: a URL, or the name of a
// file beside the release on the medium.
func (m *machine) namedRack(ctx context.Context, dir string, inv plan.Inventory) (rackText, error) {
	where := m.params.Get(plan.ParamRack)
	if where == "" {
		return rackText{}, nil
	}
	where, err := rackfile.Of(inv).URL(where)
	if err != nil {
		return rackText{}, &plan.Refusal{Reason: fmt.Sprintf("%s on the kernel line: %v", plan.ParamRack, err), Remedy: "Correct the kernel line"}
	}
	if !rackfile.IsURL(where) {
		raw, err := source.Dir(dir).Whole(ctx, where, maxRack)
		return rackText{raw, where + " on the medium, as " + plan.ParamRack + " says"}, err
	}
	if err := m.network(ctx, inv); err != nil {
		return rackText{}, err
	}
	raw, err := rackfile.Remote{URL: where, CA: m.params.Get(rackfile.ParamCA), SHA256: m.params.Get(rackfile.ParamSHA256)}.Fetch(ctx)
	if refused := (*plan.Refusal)(nil); err != nil && !errors.As(err, &refused) {
		err = &plan.Refusal{Reason: err.Error(), Remedy: "Check the URL and what pins it on the kernel line, and that the server runs and can be reached from here"}
	}
	return rackText{raw, where}, err
}

// confPatience is how long the second volume may take to appear. The medium
// is there already, so the buses have been looked through.
const confPatience = 3 * time.Second

// confRack reads the volume that somebody made for the purpose.
func (m *machine) confRack(ctx context.Context) (rackText, error) {
	conf, err := m.findVolume(ctx, plan.ConfVolume, confPatience)
	if err != nil {
		m.log.Info("no second volume", "error", err)
		return rackText{}, nil
	}
	t, err := plainRack(conf.dir, fmt.Sprintf("volume %s on %s", plan.ConfVolume, conf.device))
	if err == nil && t.raw == nil {
		err = &plan.Refusal{Reason: fmt.Sprintf("%s is labelled %s and has no rack.yaml in its top directory", conf.device, plan.ConfVolume),
			Remedy: "Put one there, or take the volume out"}
	}
	return t, errors.Join(err, conf.close())
}

// sealedRack reads the area of the medium that is kept for one.
func sealedRack(dir string) (rackText, error) {
	area, err := os.ReadFile(filepath.Join(dir, rackfile.AreaName))
	if errors.Is(err, fs.ErrNotExist) {
		return rackText{}, nil
	}
	if err != nil {
		return rackText{}, err
	}
	raw, err := rackfile.Unseal(area)
	if err != nil {
		return rackText{}, &plan.Refusal{Reason: err.Error(), Remedy: "Seal rack.yaml into the medium again: cairn iso seal"}
	}
	return rackText{raw, "the medium, where it is sealed in"}, nil
}

// plainRack reads the file rack.yaml in a directory.
func plainRack(dir, from string) (rackText, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "rack.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return rackText{}, nil
	}
	if err == nil && raw == nil {
		raw = []byte{}
	}
	return rackText{raw, from}, err
}

// noRack says where a rack.yaml was looked for.
func noRack() error {
	return &plan.Refusal{
		Reason: fmt.Sprintf("there is no rack.yaml: neither %s on the kernel line, nor a volume labelled %s, nor one sealed into the medium, nor /%s/rack.yaml on it; and there is no terminal to ask a person at",
			plan.ParamRack, plan.ConfVolume, releaseDir),
		Remedy: "Put a rack.yaml at one of these places; the smallest is a line with your SSH key",
	}
}
