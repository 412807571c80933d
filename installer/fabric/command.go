package fabric

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Command takes part in one round of the fabric check for a node that runs:
// its agent starts it, with the order in JSON on its standard input, and reads
// the report from its standard output. Nothing of the card is changed, for it
// carries the guests' traffic.
type Command struct{}

// maxOrder bounds an order, in bytes.
const maxOrder = 4 << 20

// Run is called by kong.
func (c *Command) Run(ctx context.Context, log *slog.Logger) error {
	return answer(ctx, os.Stdin, os.Stdout, log)
}

func answer(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	var order plan.FabricOrder
	if err := json.NewDecoder(io.LimitReader(in, maxOrder)).Decode(&order); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	if err := order.Check(); err != nil {
		return err
	}
	report, err := probing{order, log}.run(ctx, inUse)
	if err != nil {
		return err
	}
	report.Clock = time.Now().Format(time.RFC3339Nano)
	return json.NewEncoder(out).Encode(report)
}
