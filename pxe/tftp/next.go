package tftp

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// NextName is a loader that we make ourselves, see [next].
const NextName = "boot-disk.efi"

// efiAborted is EFI_ABORTED (UEFI specification, appendix D).
const efiAborted = 1<<63 | 21

// next is a UEFI program that does nothing but fail. Firmware that boots it
// from the network goes on to its next boot option, the disk, at once; it
// stops at its menu when a program that it loaded ends well, as iPXE always
// does, and waits a minute when nobody answers.
//
// It is a PE32+ image of one section (Microsoft's PE format; UEFI
// specification 2.1.1), which any base address suits.
func next() []byte {
	const (
		file   = 0x200  // alignment of sections in the file
		memory = 0x1000 // and in memory, so that protections can differ
	)
	code := binary.LittleEndian.AppendUint64([]byte{0x48, 0xb8}, efiAborted) // mov rax, EFI_ABORTED
	code = append(code, 0xc3)                                                // ret

	var b bytes.Buffer
	put := func(fields ...any) {
		for _, f := range fields {
			if err := binary.Write(&b, binary.LittleEndian, f); err != nil {
				panic(err) // only fixed sizes are put
			}
		}
	}
	put([]byte("MZ"), make([]byte, 58), uint32(64)) // DOS header: the other one follows
	put([]byte("PE\x00\x00"), uint16(0x8664), uint16(1), uint32(0), uint32(0), uint32(0), uint16(240), uint16(0x0022))
	put(uint16(0x20b), uint16(0), uint32(file), uint32(0), uint32(0), uint32(memory), uint32(memory)) // entry point, base of code
	put(uint64(0), uint32(memory), uint32(file), make([]byte, 16))                                    // image base, alignments, versions
	put(uint32(2*memory), uint32(file), uint32(0), uint16(10), uint16(0x0100))                        // sizes; EFI application; may be made no-execute
	put(make([]byte, 32), uint32(0), uint32(16), make([]byte, 16*8))                                  // stack and heap; no directories
	put([]byte(".text\x00\x00\x00"), uint32(file), uint32(memory), uint32(file), uint32(file), make([]byte, 12), uint32(0x60000020))
	b.Write(make([]byte, file-b.Len()))
	b.Write(code)
	b.WriteString(strings.Repeat("\x00", 2*file-b.Len()))
	return b.Bytes()
}
