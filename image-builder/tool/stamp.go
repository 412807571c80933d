package tool

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Key digests the inputs of a step. Anything that encoding/json takes can be
// an input.
func Key(inputs ...any) (string, error) {
	raw, err := json.Marshal(inputs)
	if err != nil {
		return "", fmt.Errorf("inputs of a build step: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16]), nil
}

// FileSum is the SHA-256 of a file in hex.
func FileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("sum of %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Step makes the file or directory out unless it is there and was made from
// inputs with the same key. What make writes (to the path that it is handed)
// becomes out only when make succeeded, so a build that was cut is repeated.
// It tells whether it had to work.
func Step(out, key string, build func(tmp string) error) (bool, error) {
	stamp := out + ".key"
	if raw, err := os.ReadFile(stamp); err == nil && strings.TrimSpace(string(raw)) == key {
		if _, err := os.Lstat(out); err == nil {
			return false, nil
		}
	}
	tmp := out + ".new"
	for _, name := range []string{stamp, tmp} {
		if err := os.RemoveAll(name); err != nil {
			return false, fmt.Errorf("build %s: %w", filepath.Base(out), err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return false, fmt.Errorf("build %s: %w", filepath.Base(out), err)
	}
	if err := build(tmp); err != nil {
		return false, fmt.Errorf("build %s: %w", filepath.Base(out), err)
	}
	if err := os.RemoveAll(out); err != nil {
		return false, fmt.Errorf("build %s: %w", filepath.Base(out), err)
	}
	if err := os.Rename(tmp, out); err != nil {
		return false, fmt.Errorf("build %s: %w", filepath.Base(out), err)
	}
	return true, os.WriteFile(stamp, []byte(key+"\n"), 0o644)
}

// Exists tells whether a path is there.
func Exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
