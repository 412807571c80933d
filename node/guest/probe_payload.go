package guest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// payloadWord is what the probe's program prints.
const payloadWord = "cairn-probe: a program runs"

// payload is an initramfs (Linux: driver-api/early-userspace/buffer-format)
// with a console and one program, the first of the machine.
func payload() ([]byte, error) {
	const dir, device, program = 0o040755, 0o020600, 0o100755
	code, err := payloadProgram()
	var b bytes.Buffer
	addEntry(&b, "dev", dir, [2]int{}, nil)
	addEntry(&b, "dev/console", device, [2]int{5, 1}, nil)
	addEntry(&b, "init", program, [2]int{}, code)
	addEntry(&b, "TRAILER!!!", 0, [2]int{}, nil)
	return b.Bytes(), err
}

// addEntry adds an entry to an archive of cpio's "newc" format: thirteen
// numbers of eight hexadecimal digits, then name and content, each padded to
// four bytes.
func addEntry(b *bytes.Buffer, name string, mode int, device [2]int, content []byte) {
	b.WriteString("070701")
	for _, n := range []int{
		0, mode, 0, 0, 1, 0, len(content), // inode, mode, user, group, links, time, size
		0, 0, device[0], device[1], len(name) + 1, 0, // own device, device, name with its end, checksum
	} {
		fmt.Fprintf(b, "%08X", n)
	}
	b.WriteString(name + "\x00")
	pad(b)
	b.Write(content)
	pad(b)
}

func pad(b *bytes.Buffer) { b.Write(make([]byte, -b.Len()&3)) }

// programBase is where the program lies in memory.
const programBase = 0x400000

// payloadProgram is a static program, in one piece with its headers, that
// prints payloadWord and waits for ever.
func payloadProgram() ([]byte, error) {
	const headers = 64 + 56 // bytes of the two below
	code := payloadCode(payloadWord + "\n")
	size := uint64(headers + len(code))
	out, err := binary.Append(nil, binary.LittleEndian, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Entry: programBase + headers, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	})
	if err == nil {
		out, err = binary.Append(out, binary.LittleEndian, elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
			Vaddr: programBase, Paddr: programBase, Filesz: size, Memsz: size, Align: 0x1000,
		})
	}
	return append(out, code...), err
}

// payloadCode is the code, and behind it the text that it prints:
//
//	eax = 1 (write); edi = 1; rsi = text; edx = length; syscall
//	wait: eax = 34 (pause); syscall; jmp wait
func payloadCode(text string) []byte {
	const toText, wait = 16, 9 // bytes: from behind the lea to the text, and of the loop
	code := []byte{0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x8d, 0x35, toText, 0, 0, 0, 0xba}
	code = binary.LittleEndian.AppendUint32(code, uint32(len(text)))
	code = append(code, 0x0f, 0x05, 0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0x100-wait)
	return append(code, text...)
}
