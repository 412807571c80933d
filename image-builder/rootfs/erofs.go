package rootfs

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// blockSize of EROFS and of dm-verity, in bytes.
const blockSize = 4096

// Fixed identities: the same tree gives the same bytes. Neither is a secret;
// what is trusted is the root hash.
const (
	rootUUID   = "ca14a1e0-0000-4000-8000-000000000001"
	verityUUID = "ca14a1e0-0000-4000-8000-000000000002"
	veritySalt = "636169726e206973206120737461636b206f6620626172652073746f6e657321"
)

// compression of EROFS: LZ4 is what a reader unpacks fastest, at the price of
// a third more than zstd would take.
const compression = "-zlz4hc,9"

// Image writes the tree to the file root, as EROFS with its dm-verity tree
// behind it, and tells what a reader needs to open it.
func Image(ctx context.Context, dir, root string) (manifest.Verity, error) {
	var v manifest.Verity
	err := os.Remove(root)
	if err != nil && !os.IsNotExist(err) {
		return v, fmt.Errorf("root image: %w", err)
	}
	if _, err := tool.Run(ctx, tool.Cmd{Name: "mkfs.erofs", Env: epochEnv, Args: []string{
		"-d0", compression, "-T" + strconv.Itoa(Epoch), "-U" + rootUUID, root, dir,
	}}); err != nil {
		return v, err
	}
	size, err := pad(root)
	if err != nil {
		return v, err
	}
	const salt = veritySalt
	out, err := tool.Run(ctx, tool.Cmd{Name: "veritysetup", Args: []string{
		"format", root, root,
		"--hash=sha256", "--salt=" + salt, "--uuid=" + verityUUID,
		fmt.Sprintf("--data-block-size=%d", blockSize), fmt.Sprintf("--hash-block-size=%d", blockSize),
		fmt.Sprintf("--data-blocks=%d", size/blockSize), fmt.Sprintf("--hash-offset=%d", size),
	}})
	if err != nil {
		return v, err
	}
	hash, err := rootHash(string(out))
	if err != nil {
		return v, err
	}
	if _, err := pad(root); err != nil {
		return v, err
	}
	return manifest.Verity{BlockSize: blockSize, DataBlocks: size / blockSize, HashOffset: size, Salt: salt, RootHash: hash}, nil
}

// pad rounds a file up to a whole block and returns its size.
func pad(name string) (int64, error) {
	st, err := os.Stat(name)
	if err != nil {
		return 0, fmt.Errorf("root image: %w", err)
	}
	size := (st.Size() + blockSize - 1) / blockSize * blockSize
	if err := os.Truncate(name, size); err != nil {
		return 0, fmt.Errorf("root image: %w", err)
	}
	return size, nil
}

// rootHash takes the root hash from what veritysetup format prints.
func rootHash(out string) (string, error) {
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(line, "Root hash:"); ok {
			v = strings.TrimSpace(v)
			if b, err := hex.DecodeString(v); err == nil && len(b) == 32 {
				return v, nil
			}
		}
	}
	return "", fmt.Errorf("veritysetup printed no root hash:\n%s", out)
}

// Install puts a program into the tree, as 0755 root.
func Install(dir, name, program string) error {
	raw, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("install %s: %w", name, err)
	}
	to := filepath.Join(dir, name)
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("install %s: %w", name, err)
	}
	if err := os.WriteFile(to, raw, 0o755); err != nil {
		return fmt.Errorf("install %s: %w", name, err)
	}
	return os.Chmod(to, 0o755)
}
