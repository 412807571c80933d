package image

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A source is where the data of an image comes from. It remembers its own
// failure, as the client is told of it: what reads from it and writes
// elsewhere cannot tell whose failure an error was.
type source interface {
	io.Reader
	failure() error
	drain() // when the data is refused
}

// patience is how long an upload may stand still.
const patience = time.Minute

// A patient source is an upload: it moves the deadline of the connection on
// with every read.
type patient struct {
	r       io.Reader
	control *http.ResponseController
	failed  error
}

func uploaded(c *api.Call) *patient {
	return &patient{r: c.Request().Body, control: http.NewResponseController(c.Writer())}
}

// Read reads on.
func (p *patient) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(patience)) // writers of tests know no deadlines
	n, err := p.r.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		_ = p.control.SetReadDeadline(time.Time{}) // what is done with the data may take longer
	case err != nil:
		p.failed = err
	}
	return n, err
}

func (p *patient) failure() error {
	if p.failed == nil {
		return nil
	}
	return cloud.BadRequest("The data ended too early.").Because(p.failed)
}

// maxDrain is how much of refused data is read to its end.
const maxDrain = 1 << 30

// drain reads what the client still sends: most clients do not look at an
// answer before they have sent all, and would tell their user of a broken
// connection instead of the reason.
func (p *patient) drain() {
	_, _ = io.Copy(io.Discard, io.LimitReader(p, maxDrain)) // the refusal is what counts
}

// A download is data that the cloud fetches itself; tell hears how much there
// is.
type download struct {
	r      io.Reader
	n      int64
	tell   func(int64)
	failed error
}

// Read reads on.
func (d *download) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		d.failed = err
	}
	d.n += int64(n)
	d.tell(d.n)
	return n, err
}

func (d *download) failure() error { return d.failed }

func (d *download) drain() {}
