package console

import (
	"bytes"
	"errors"
	"os"
)

// A console's log is two files, path and path+".0", the older part.
const (
	keep = 1 << 20 // bytes after which the newer file becomes the older one
	old  = ".0"
)

// Tail returns the last lines of a console's log, all that is kept when lines
// is zero. A log that does not exist is empty.
func Tail(path string, lines int) ([]byte, error) {
	var text []byte
	for _, f := range []string{path + old, path} {
		part, err := os.ReadFile(f)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		text = append(text, part...)
	}
	return lastLines(text, lines), nil
}

func lastLines(text []byte, lines int) []byte {
	if lines <= 0 {
		return text
	}
	at := len(bytes.TrimSuffix(text, []byte("\n")))
	for range lines {
		i := bytes.LastIndexByte(text[:at], '\n')
		if i < 0 {
			return text
		}
		at = i
	}
	return text[at+1:]
}

// Bound keeps a log that others append to from growing without end: when it
// is too long, it becomes the older part and starts again. What is written at
// that very moment can be lost.
func Bound(path string) error {
	st, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && st.Size() <= keep {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+old, text[max(0, len(text)-keep):], 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}
