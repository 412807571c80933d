package rootfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// FakeTime is where Debian's package libfaketime has its library.
const FakeTime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

// databaseOptions has what decides about the files of an empty database. The
// sizes are those of hardening's option file: the server would have to write
// its log anew if they differed.
func databaseOptions() string {
	var b strings.Builder
	b.WriteString("[mariadbd]\n")
	for line := range strings.Lines(hardening.MariaDBConfig{}.Render()) {
		key, _, _ := strings.Cut(line, "=")
		switch key {
		case "innodb-log-file-size", "character-set-server", "collation-server":
			b.WriteString(line)
		}
	}
	return b.String()
}

// database replaces what the package made by an empty database without test
// accounts, so that a first boot does not spend minutes on it.
//
// The system tables carry random identifiers and the time of their making.
// They become the same in every build when the clock stands still, processes
// count from one, addresses are not randomised, no NIC lends its MAC, and the
// host has no name to put into the accounts.
func database(ctx context.Context, dir string, _ Options) error {
	data := filepath.Join(dir, "var/lib/mysql")
	flags, err := filepath.Glob(filepath.Join(data, "debian-*.flag"))
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	entries, err := os.ReadDir(data)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	if err := installDatabase(ctx, dir); err != nil {
		return err
	}
	for _, f := range flags {
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	// The Aria log of a clean shutdown says nothing, but is not the same in
	// two builds. The server begins a new one.
	return remove(data, "aria_log.0*")
}

// installDatabase runs mariadb-install-db inside the tree.
func installDatabase(ctx context.Context, dir string) error {
	work := filepath.Join(dir, "tmp/database")
	if err := os.Mkdir(work, 0o755); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer os.RemoveAll(work)
	lib, err := os.ReadFile(FakeTime)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	files := map[string][]byte{"my.cnf": []byte(databaseOptions()), "faketime.so": lib}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(work, name), content, 0o644); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	args := []string{
		"--net", "--uts", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc=" + filepath.Join(dir, "proc"),
		"sh", "-c", `hostname localhost && exec "$@"`, "sh",
		"chroot", dir, "env", "LD_PRELOAD=/tmp/database/faketime.so",
		"FAKETIME=" + time.Unix(Epoch, 0).UTC().Format(time.DateTime), "setarch", "-R",
	}
	args = append(args, hardening.MariaDBInstall("/tmp/database/my.cnf", "/var/lib/mysql")...)
	_, err = tool.Run(ctx, tool.Cmd{Name: "unshare", Args: append(args, "--user=mysql", "--force")})
	return err
}
