package format

import (
	"archive/tar"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// Bounds of an OVA: a description and a few disks.
const (
	ovaFiles       = 256
	ovaDescription = 4 << 20 // bytes
)

// isTar tells whether the head is that of a tar (POSIX or GNU).
func isTar(head []byte) bool { return len(head) >= 512 && string(head[257:262]) == "ustar" }

// checkOVA wants a tar that begins with its description, as DMTF's DSP0243
// has it.
func checkOVA(head []byte) error {
	if !isTar(head) {
		return cloud.BadRequest("The image's container_format is ova, but its data is no tar.")
	}
	name, _, _ := bytes.Cut(head[:100], []byte{0})
	if !bytes.HasSuffix(bytes.ToLower(name), []byte(".ovf")) {
		return cloud.BadRequest("The image's container_format is ova, but its first file is %.64q; allowed: a name that ends in .ovf.", name)
	}
	return nil
}

// inspectOVA walks the archive: plain files with plain names, of which the
// first describes the others and names nothing outside, and each disk is as
// harmless as if it came alone.
func inspectOVA(r io.ReaderAt, size int64) error {
	var names, wanted []string
	files := tar.NewReader(io.NewSectionReader(r, 0, size))
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return unreadable(err)
		}
		if err := checkMember(h, names); err != nil {
			return err
		}
		names = append(names, h.Name)
		switch {
		case len(names) == 1:
			wanted, err = describes(files, h.Size)
		default:
			err = checkDisk(h, files)
		}
		if err != nil {
			return err
		}
	}
	for _, w := range wanted {
		if !slices.Contains(names, w) {
			return cloud.BadRequest("The image's OVF description names the file %.128q, which is not in the archive.", w)
		}
	}
	return nil
}

// unreadable is an archive's own fault, or the disk's that it is read from.
func unreadable(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrFieldTooLong) || errors.Is(err, tar.ErrInsecurePath) {
		return cloud.BadRequest("The image's archive cannot be read: %v.", err)
	}
	return err
}

func checkMember(h *tar.Header, names []string) error {
	switch {
	case len(names) >= ovaFiles:
		return cloud.BadRequest("The image's archive has more than %d files.", ovaFiles)
	case h.Typeflag != tar.TypeReg:
		return cloud.BadRequest("The image's archive has %.128q of the type %q; allowed: plain files.", h.Name, h.Typeflag)
	case h.Name != path.Base(h.Name) || h.Name == ".." || h.Name == "." || strings.ContainsAny(h.Name, "\\\x00"):
		return cloud.BadRequest("The image's archive has the file %.128q; allowed: names without a path.", h.Name)
	case slices.Contains(names, h.Name):
		return cloud.BadRequest("The image's archive has the file %.128q twice.", h.Name)
	}
	return nil
}

// describes reads a description and gives the files that it names.
func describes(r io.Reader, size int64) ([]string, error) {
	if size > ovaDescription {
		return nil, cloud.BadRequest("The image's OVF description has %d bytes; allowed: %d.", size, ovaDescription)
	}
	var files []string
	d := xml.NewDecoder(r)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, cloud.BadRequest("The image's OVF description cannot be read: %v.", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, cloud.BadRequest("The image's OVF description has the directive %.64q; that is not allowed.", []byte(t))
		case xml.StartElement:
			name, err := reference(t)
			if err != nil {
				return nil, err
			}
			if name != "" {
				files = append(files, name)
			}
		}
	}
}

// reference is the file that an element names; empty if it names none.
func reference(e xml.StartElement) (string, error) {
	for _, a := range e.Attr {
		if e.Name.Local != "File" || a.Name.Local != "href" {
			continue
		}
		if a.Value != path.Base(a.Value) || strings.ContainsAny(a.Value, ":\\") || a.Value == ".." {
			return "", cloud.BadRequest("The image's OVF description names the file %.128q; allowed: files of the archive.", a.Value)
		}
		return a.Value, nil
	}
	return "", nil
}

// kinds are the formats that names of files promise.
var kinds = map[string]string{".vmdk": "vmdk", ".vhd": "vhd", ".vhdx": "vhdx", ".vdi": "vdi", ".qcow2": "qcow2", ".iso": "iso"}

// checkDisk looks at the head of a file of the archive.
func checkDisk(h *tar.Header, r io.Reader) error {
	head := make([]byte, min(h.Size, HeadSize))
	if _, err := io.ReadFull(r, head); err != nil {
		return unreadable(err)
	}
	found := Detect(head)
	kind, promised := kinds[strings.ToLower(path.Ext(h.Name))]
	switch {
	case len(head) == 0 || kind == "vhd" && len(found) == 0: // a fixed one says at its end what it is
		return nil
	case !promised && len(found) > 0:
		kind = found[0]
	case !promised:
		return nil
	}
	if _, err := Check(kind, head); err != nil {
		return inside(h.Name, err)
	}
	return nil
}

// inside says which file of an archive is refused.
func inside(name string, err error) error {
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		return cloud.BadRequest("In the archive, %.128q: %s", name, e.Message)
	}
	return err
}
