package rootfs

import (
	"embed"
	"io/fs"

	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// sources is this package itself. What it does is an input of the tree, so a
// change here makes a new one; the slow part before it has a key of its own.
//
//go:embed *.go *.features
var sources embed.FS

// DebianKey digests everything that decides about what [Debian] makes.
func DebianKey(o Options) (string, error) {
	return tool.Key(bootstrapArgs(o), o.Recipe.Suite, o.Repository.Digest, Epoch)
}

// TreeKey digests everything that decides about a tree.
func TreeKey(o Options) (string, error) {
	code, err := fs.Glob(sources, "*")
	if err != nil {
		return "", err
	}
	inputs := []any{o.Recipe, o.Repository.Digest, o.Kernel.Package, databaseOptions()}
	for _, name := range code {
		raw, err := sources.ReadFile(name)
		if err != nil {
			return "", err
		}
		inputs = append(inputs, raw)
	}
	return tool.Key(inputs...)
}
