package image

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// download answers GET /images/{id}/file.
func (s *Service) download(_ context.Context, c *api.Call, img *Image) (any, error) {
	switch img.Status {
	case statusActive:
		return nil, s.send(c.Writer(), c.Request(), img)
	case statusDeactivated:
		if c.Caller.IsAdmin {
			return nil, s.send(c.Writer(), c.Request(), img)
		}
		return nil, cloud.Forbidden("The requested image has been deactivated. Image data download is forbidden.")
	default:
		return nil, c.Empty(http.StatusNoContent)
	}
}

// send answers with the data, or with the range of it that is asked for.
func (s *Service) send(w http.ResponseWriter, r *http.Request, img *Image) (err error) {
	if err := rangeOf(r); err != nil {
		return err
	}
	f, err := s.open(r.Context(), img)
	if err != nil {
		return fmt.Errorf("data of image %s: %w", img.ID, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w.Header().Set("Content-Type", "application/octet-stream")
	if sum, err := hex.DecodeString(*img.Checksum); err == nil && r.Header.Get("Range") == "" {
		w.Header().Set("Content-Md5", hex.EncodeToString(sum))
		w.Header().Set("Digest", "md5="+base64.StdEncoding.EncodeToString(sum))
	}
	w.Header().Set("Etag", `"`+(*img.HashValue)[:32]+`"`)
	http.ServeContent(w, r, "", img.UpdatedAt, f)
	return nil
}

// rangeOf takes a range from the header Content-Range, which some clients send
// in place of Range: "bytes 0-99/*".
func rangeOf(r *http.Request) error {
	text := r.Header.Get("Content-Range")
	if text == "" || r.Header.Get("Range") != "" {
		return nil
	}
	var first, last int64
	span, _, _ := strings.Cut(text, "/")
	if n, err := fmt.Sscanf(span, "bytes %d-%d", &first, &last); n != 2 || err != nil || first < 0 || last < first {
		return cloud.Errorf(cloud.KindRange, "The Content-Range %.64q is not allowed; allowed: bytes FIRST-LAST/*.", text)
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, last))
	return nil
}
