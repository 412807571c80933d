// Package source is where an installer takes the files of a release from: a
// directory on the medium, or a deployer over HTTP. Whatever the place, the
// manifest is checked against the release keys first, and every chunk against
// the manifest, here or where it was written to.
//
// It may import image-builder/manifest and installer/plan.
package source

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// A Place holds the files of a release. ReadAt fills buf from an offset of a
// file; Name is for people.
type Place interface {
	ReadAt(ctx context.Context, file string, buf []byte, off int64) error
	// Whole reads a small file of at most limit bytes.
	Whole(ctx context.Context, file string, limit int64) ([]byte, error)
	Name() string
}

// A Release is a release whose manifest a trusted key has signed.
type Release struct {
	Manifest  *manifest.Manifest
	Raw       []byte // of the manifest, as signed
	Signature []byte
	place     Place
	say       func(format string, args ...any)
	log       *slog.Logger
}

// maxManifest bounds what is read before anything is trusted, in bytes.
const maxManifest = manifest.FooterSize

// Open reads the manifest of the release at a place. say is told, in words,
// what is tried again and why.
func Open(ctx context.Context, p Place, keys []ed25519.PublicKey, say func(string, ...any), log *slog.Logger) (*Release, error) {
	r := &Release{place: p, say: say, log: log}
	var err error
	if r.Raw, err = p.Whole(ctx, manifest.Name, maxManifest); err != nil {
		return nil, err
	}
	if r.Signature, err = p.Whole(ctx, manifest.SignatureName, 4096); err != nil {
		return nil, err
	}
	if r.Manifest, err = manifest.Open(r.Raw, r.Signature, keys); errors.Is(err, manifest.ErrSignature) {
		return nil, &plan.Refusal{Reason: fmt.Sprintf("the release at %s cannot be trusted: %v", p.Name(), err),
			Remedy: "Use a medium and a deployer of the same build: they carry the key that belongs to the release"}
	}
	if err != nil {
		return nil, fmt.Errorf("release at %s: %w", p.Name(), err)
	}
	return r, nil
}

// tries is how often a bad chunk is fetched before it is given up.
const tries = 3

// Fetch fills buf with a chunk as the place has it.
func (r *Release) Fetch(ctx context.Context, f *manifest.File, i int, buf []byte) error {
	return r.place.ReadAt(ctx, f.Name, buf, int64(i)*manifest.ChunkSize)
}

// Chunk fills buf with a chunk and checks it. A chunk that is wrong is
// fetched again; one that stays wrong is a refusal that names it.
func (r *Release) Chunk(ctx context.Context, f *manifest.File, i int, buf []byte) error {
	var err error
	for try := 1; try <= tries; try++ {
		if err := r.Fetch(ctx, f, i, buf); err != nil {
			return err
		}
		if err = f.CheckChunk(i, buf); err == nil {
			return nil
		}
		r.log.Warn("bad chunk", "place", r.place.Name(), "try", try, "error", err)
		if try < tries {
			r.say("%s from %s is damaged, fetching it again (%d of %d)", chunkName(f, i), r.place.Name(), try+1, tries)
		}
	}
	return &plan.Refusal{
		Reason: fmt.Sprintf("%s from %s is damaged, %d times in a row: %v", chunkName(f, i), r.place.Name(), tries, err),
		Remedy: "Check the medium (or the deployer's copy) against manifest.json, and the memory and network of both machines",
	}
}

func chunkName(f *manifest.File, i int) string {
	return fmt.Sprintf("%s chunk %d of %d", f.Name, i, len(f.Chunks))
}

// File reads a whole small file of the release, checked.
func (r *Release) File(ctx context.Context, name string) ([]byte, error) {
	f, err := r.Manifest.File(name)
	if err != nil {
		return nil, err
	}
	out := make([]byte, f.Size)
	for i := range f.Chunks {
		at := int64(i) * manifest.ChunkSize
		if err := r.Chunk(ctx, &f, i, out[at:at+f.ChunkLen(i)]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Name names the place of the release.
func (r *Release) Name() string { return r.place.Name() }

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
