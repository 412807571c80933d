package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// S3Options say where an S3 store is. It is spoken to over TLS alone.
type S3Options struct {
	Endpoint   string // host, or host:port
	Region     string // empty: us-east-1
	Bucket     string // has to exist
	Prefix     string // of the names of objects; the rest of the bucket is left alone
	AccessKey  string
	SecretFile string // the secret key is all of it, but for white space around it; not to be read by everybody
	CA         string // PEM file of who the server is certified by; empty: the system's
}

// An S3 store is a bucket, addressed by its path. What it needs of Amazon's
// API is what every server of that kind has: objects, ranges, uploads in
// parts, lists.
type S3 struct {
	remote
	bucket, prefix string
}

// What names of buckets and prefixes may have: nothing that would have to be
// escaped.
var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixName = regexp.MustCompile(`^[A-Za-z0-9._/-]{0,256}$`)
)

// OpenS3 opens a bucket; it does not ask the server, which may be away.
func OpenS3(o S3Options) (*S3, error) {
	switch {
	case !bucketName.MatchString(o.Bucket):
		return nil, fmt.Errorf("bucket %q; allowed: 3 to 63 of a-z, 0-9, . and -", o.Bucket)
	case !prefixName.MatchString(o.Prefix) || strings.HasPrefix(o.Prefix, "/") || strings.Contains(o.Prefix, ".."):
		return nil, fmt.Errorf("prefix %q; allowed: letters, digits, ., _, - and /, not at its start", o.Prefix)
	case o.AccessKey == "":
		return nil, errors.New("access_key is empty; allowed: the id of a key")
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	r, err := newRemote(o)
	return &S3{r, o.Bucket, o.Prefix}, err
}

// Local is false.
func (s *S3) Local() bool { return false }

// path is an object's.
func (s *S3) path(id string) (string, error) {
	if !cloud.IsID(id) {
		return "", fmt.Errorf("image id %q is no UUID", id)
	}
	return "/" + s.bucket + "/" + s.prefix + id, nil
}

// Sizes of uploads: what is larger than a part goes in parts, of which there
// may be 10,000.
const (
	partSize = 32 << 20
	maxParts = 9000
	parallel = 2
)

// Put uploads a file. Parts of tries that were interrupted go first.
func (s *S3) Put(ctx context.Context, id, path string, progress func(int64)) (err error) {
	to, err := s.path(id)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := s.abandon(ctx, id); err != nil {
		return err
	}
	sent := &tally{tell: progress}
	if info.Size() <= partSize {
		_, err := s.send(ctx, to, nil, io.NewSectionReader(f, 0, info.Size()), sent)
		return err
	}
	return s.putParts(ctx, to, f, info.Size(), sent)
}

// putParts uploads a large file; the object appears when all parts are there.
func (s *S3) putParts(ctx context.Context, to string, f io.ReaderAt, size int64, sent *tally) error {
	var begun struct {
		UploadID string `xml:"UploadId"`
	}
	if err := s.ask(ctx, http.MethodPost, to, url.Values{"uploads": {""}}, nil, &begun); err != nil {
		return err
	}
	each := max(partSize, (size+maxParts-1)/maxParts)
	parts := make([]string, (size+each-1)/each)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range parts {
		g.Go(func() (err error) {
			at := int64(i) * each
			query := url.Values{"partNumber": {fmt.Sprint(i + 1)}, "uploadId": {begun.UploadID}}
			parts[i], err = s.send(gctx, to, query, io.NewSectionReader(f, at, min(each, size-at)), sent)
			return err
		})
	}
	err := g.Wait()
	if err == nil {
		err = s.complete(ctx, to, begun.UploadID, parts)
	}
	if err != nil {
		return errors.Join(err, s.abort(ctx, to, begun.UploadID))
	}
	return nil
}

// complete makes an object of parts, by their tags.
func (s *S3) complete(ctx context.Context, to, upload string, parts []string) error {
	var b strings.Builder
	b.WriteString("<CompleteMultipartUpload>")
	for i, tag := range parts {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, escape(tag))
	}
	b.WriteString("</CompleteMultipartUpload>")
	var answer struct{ Code, Message, ETag string }
	if err := s.ask(ctx, http.MethodPost, to, url.Values{"uploadId": {upload}}, []byte(b.String()), &answer); err != nil {
		return err
	}
	if answer.Code != "" { // an error, under the status 200
		return &s3Error{Status: http.StatusOK, Code: answer.Code, Message: answer.Message}
	}
	return nil
}

// abort removes the parts of an upload, whether its client still waits or not.
func (s *S3) abort(ctx context.Context, to, upload string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return absent(s.ask(ctx, http.MethodDelete, to, url.Values{"uploadId": {upload}}, nil, nil))
}

// abandon removes what uploads of an object have left that were interrupted.
func (s *S3) abandon(ctx context.Context, id string) error {
	to, err := s.path(id)
	if err != nil {
		return err
	}
	return s.uploads(ctx, s.prefix+id, func(u upload) error {
		if u.Key != s.prefix+id {
			return nil
		}
		return s.abort(ctx, to, u.UploadID)
	})
}

// Remove removes an object, and parts of one that was never whole.
func (s *S3) Remove(ctx context.Context, id string) error {
	to, err := s.path(id)
	if err != nil {
		return err
	}
	if err := s.abandon(ctx, id); err != nil {
		return err
	}
	return absent(s.ask(ctx, http.MethodDelete, to, nil, nil, nil))
}

// An upload is one in parts that is under way.
type upload struct {
	Key       string
	UploadID  string `xml:"UploadId"`
	Initiated time.Time
}

// uploads visits uploads under way of objects whose names begin with a prefix.
func (s *S3) uploads(ctx context.Context, prefix string, visit func(upload) error) error {
	query := url.Values{"uploads": {""}, "prefix": {prefix}}
	for {
		var page struct {
			Upload             []upload
			IsTruncated        bool
			NextKeyMarker      string
			NextUploadIDMarker string `xml:"NextUploadIdMarker"`
		}
		if err := s.ask(ctx, http.MethodGet, "/"+s.bucket, query, nil, &page); err != nil {
			return err
		}
		for _, u := range page.Upload {
			if err := visit(u); err != nil {
				return err
			}
		}
		if !page.IsTruncated || page.NextKeyMarker == "" {
			return nil
		}
		query.Set("key-marker", page.NextKeyMarker)
		query.Set("upload-id-marker", page.NextUploadIDMarker)
	}
}

// List lists objects, and those that were never whole.
func (s *S3) List(ctx context.Context, before time.Time) ([]string, error) {
	var ids []string
	add := func(name string, at time.Time) {
		if id := strings.TrimPrefix(name, s.prefix); cloud.IsID(id) && at.Before(before) {
			ids = append(ids, id)
		}
	}
	query := url.Values{"list-type": {"2"}, "prefix": {s.prefix}}
	for more := true; more; {
		var page struct {
			Contents []struct {
				Key          string
				LastModified time.Time
			}
			IsTruncated           bool
			NextContinuationToken string
		}
		if err := s.ask(ctx, http.MethodGet, "/"+s.bucket, query, nil, &page); err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			add(o.Key, o.LastModified)
		}
		more = page.IsTruncated && page.NextContinuationToken != ""
		query.Set("continuation-token", page.NextContinuationToken)
	}
	return ids, s.uploads(ctx, s.prefix, func(u upload) error {
		add(u.Key, u.Initiated)
		return nil
	})
}
