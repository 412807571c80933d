package vault

import (
	"errors"
	"time"

	"github.com/google/go-tpm/tpm2/transport"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/tpm"
)

// How often a TPM is asked that does not answer in the kernel's time, and how
// long it may rest in between. A slow chip, or one that tests itself, needs it.
const (
	tries = 5
	rest  = 2 * time.Second
)

// withTPM does something with the machine's TPM, which must do no harm when it
// is done twice.
func withTPM(do func(transport.TPM) ([]byte, error)) ([]byte, error) {
	for n := 1; ; n++ {
		out, err := once(do)
		if n == tries || !errors.Is(err, unix.ETIME) {
			return out, err
		}
		time.Sleep(rest)
	}
}

func once(do func(transport.TPM) ([]byte, error)) (_ []byte, err error) {
	t, err := tpm.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	return do(t)
}
