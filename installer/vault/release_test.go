package vault

import (
	"testing"

	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/qa/inside"
)

// TestInsideRelease leaves a vault open on a mirror, as an installer finds it that is started by kexec, and frees the disk.
func TestInsideRelease(t *testing.T) {
	inside.Only(t)
	if _, err := Make(t.Context(), New{Parts: []string{partition, "/dev/vdb"}, Encrypt: plan.CryptTPM}); err != nil {
		t.Fatal(err)
	}
	if target, err := disk.Open(partition); err == nil {
		t.Errorf("a disk that is in use was given out: %v", target.Close())
	}
	if err := disk.Release("/sys", partition); err != nil {
		t.Fatal(err)
	}
	target, err := disk.Open(partition)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Error(err)
	}
}
