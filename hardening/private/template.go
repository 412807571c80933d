package private

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cairn-cloud/cairn/hardening"
)

// template returns a data directory with MariaDB's system tables in it, to be
// copied and never used itself. Making one takes seconds, so it is kept in the
// user's cache, by the version of the server and our configuration.
func template(ctx context.Context) (string, error) {
	version, err := exec.CommandContext(ctx, "mariadbd", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("mariadbd --version: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	options := hardening.MariaDBConfig{User: "x"}.Render()
	sum := sha256.Sum256(append(version, options...))
	dir := filepath.Join(cache, "cairn", "mariadb-"+hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	lock, err := lockFile(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	return dir, makeTemplate(ctx, dir)
}

// makeTemplate fills a directory beside the wanted one and renames it, so that
// the wanted one is whole or absent.
func makeTemplate(ctx context.Context, dir string) error {
	work, err := os.MkdirTemp("", "cairn-mariadb-template-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	data := filepath.Join(work, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	o, err := ownerOf(databaseAccount, work)
	if err != nil {
		return err
	}
	if err := o.own(data); err != nil {
		return err
	}
	optionFile := filepath.Join(work, "my.cnf")
	options := "[mariadbd]\ninnodb-log-file-size=16M\ncharacter-set-server=utf8mb4\n"
	if err := os.WriteFile(optionFile, []byte(options), 0o644); err != nil {
		return err
	}
	args := hardening.MariaDBInstall(optionFile, data)
	cmd := o.command(ctx, args[0], args[1:]...)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, out)
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := copyTree(data, part); err != nil {
		return err
	}
	return os.Rename(part, dir)
}

// copyTree copies directories and plain files.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case d.Type().IsRegular():
			return copyFile(path, target)
		}
		return nil
	})
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
