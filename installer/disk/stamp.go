package disk

import (
	"encoding/hex"
	"io"
	"strings"
)

// stampMagic marks the last sector of the BIOS boot partition, which core.img
// is far too small to reach.
const stampMagic = "CAIRN-STAMP-1\n"

const stampSize = 4096

// WriteStamp notes at the end of the BIOS boot partition what an unattended
// installation was made from, as a hex digest. A medium that stays in its
// drive finds its own stamp at the next start and boots the disk: no loop can
// wipe.
func (t *Target) WriteStamp(stamp string, biosStart, biosSize int64) error {
	b := make([]byte, stampSize)
	copy(b, stampMagic+stamp+"\n")
	return t.writeAt(b, biosStart+biosSize-stampSize, "the stamp of the installation")
}

func readStamp(r io.ReaderAt, e *Entry) string {
	if e == nil || e.Size < stampSize {
		return ""
	}
	b := make([]byte, 128)
	if _, err := r.ReadAt(b, e.Start+e.Size-stampSize); err != nil {
		return ""
	}
	rest, ok := strings.CutPrefix(string(b), stampMagic)
	stamp, _, end := strings.Cut(rest, "\n")
	if _, err := hex.DecodeString(stamp); !ok || !end || err != nil {
		return ""
	}
	return stamp
}
