package seal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Command is "cairn iso": what can be done to a finished medium.
type Command struct {
	Seal    SealCommand    `cmd:"" help:"Put a rack.yaml into an ISO, or onto the stick that it was written to: it then installs unattended."`
	Unseal  UnsealCommand  `cmd:"" help:"Take the rack.yaml out of an ISO."`
	Inspect InspectCommand `cmd:"" help:"Print the rack.yaml that is in an ISO."`
}

// SealCommand is "cairn iso seal".
type SealCommand struct {
	ISO  string `arg:"" name:"iso" type:"existingfile" help:"The ISO, or the disk that it was written to; changed in place."`
	Rack string `arg:"" type:"existingfile" help:"rack.yaml; may hold $${MAC}, $${UUID} and $${SERIAL}."`
}

// Run checks the rack.yaml and seals it in.
func (c *SealCommand) Run(_ context.Context, log *slog.Logger) error {
	text, err := os.ReadFile(c.Rack)
	if err != nil {
		return fmt.Errorf("rack: %w", err)
	}
	return changed(c.ISO, append([]byte{}, text...), log)
}

// UnsealCommand is "cairn iso unseal".
type UnsealCommand struct {
	ISO string `arg:"" name:"iso" type:"existingfile" help:"The ISO, or the disk that it was written to; changed in place."`
}

// Run leaves the medium without a rack.yaml.
func (c *UnsealCommand) Run(_ context.Context, log *slog.Logger) error {
	return changed(c.ISO, nil, log)
}

// changed puts a text into a medium, or takes it out where it is nil.
func changed(name string, text []byte, log *slog.Logger) error {
	m, err := Open(name, true)
	if err != nil {
		return err
	}
	warnings, err := m.Seal(text)
	if err = errors.Join(err, m.Close()); err != nil {
		return err
	}
	for _, w := range warnings {
		log.Warn(w.String())
	}
	if text == nil {
		log.Info("no rack.yaml is sealed in any more", "medium", name)
		return nil
	}
	log.Info("rack.yaml is sealed in", "medium", name, "bytes", len(text), "sha256", fmt.Sprintf("%x", sha256.Sum256(text)))
	return nil
}

// InspectCommand is "cairn iso inspect".
type InspectCommand struct {
	ISO string `arg:"" name:"iso" type:"existingfile" help:"The ISO, or the disk that it was written to."`

	Out io.Writer `kong:"-"` // default: standard output
}

// Run prints the text as it is, or fails where there is none.
func (c *InspectCommand) Run(_ context.Context, _ *slog.Logger) error {
	m, err := Open(c.ISO, false)
	if err != nil {
		return err
	}
	text, err := m.Text()
	if err = errors.Join(err, m.Close()); err != nil {
		return fmt.Errorf("%s: %w", c.ISO, err)
	}
	if text == nil {
		return fmt.Errorf("%s: no rack.yaml is sealed in: the installation asks a person", c.ISO)
	}
	out := c.Out
	if out == nil {
		out = os.Stdout
	}
	_, err = out.Write(text)
	return err
}
