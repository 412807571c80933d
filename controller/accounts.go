package controller

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/hardening"
)

// definitionsFile keeps the broker's accounts in a file that the broker is
// loaded from: at its start, and by a watcher of the file when it changes.
type definitionsFile string

// SetNodes writes the file if it would change. The old content stays until the
// new one is whole.
func (f definitionsFile) SetNodes(_ context.Context, ids []string) error {
	if f == "" {
		return nil // accounts are somebody else's matter
	}
	text := hardening.BrokerDefinitions(ids)
	if old, err := os.ReadFile(string(f)); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := replaceFile(string(f), text, 0o644); err != nil {
		return fmt.Errorf("broker accounts: %w", err)
	}
	return nil
}

// replaceFile puts a whole new file in the place of an old one.
func replaceFile(path string, text []byte, mode os.FileMode) error {
	t, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(t.Name()) // gone already if all went well
	if _, err := t.Write(text); err != nil {
		t.Close()
		return err
	}
	if err := t.Chmod(mode); err != nil {
		t.Close()
		return err
	}
	if err := t.Sync(); err != nil {
		t.Close()
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	return os.Rename(t.Name(), path)
}
