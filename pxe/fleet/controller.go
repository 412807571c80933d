package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A RemoteController is the node-facing API of a controller.
type RemoteController struct {
	base   string
	client *http.Client
}

// NewRemoteController speaks to the base URL, like https://10.20.0.11:8444,
// with a client that has the deployer's certificate and a timeout.
func NewRemoteController(base string, client *http.Client) *RemoteController {
	return &RemoteController{base: strings.TrimRight(base, "/"), client: client}
}

// Register makes the controller know the node; doing it again is harmless.
func (c *RemoteController) Register(ctx context.Context, n spec.Node) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, http.MethodPut, n.ID, body)
	return err
}

// State asks what the node is.
func (c *RemoteController) State(ctx context.Context, id string) (string, error) {
	b, err := c.do(ctx, http.MethodGet, id, nil)
	if err != nil {
		return "", err
	}
	var answer struct {
		State string `json:"state"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return "", fmt.Errorf("node %s: the controller's answer is not JSON: %w", id, err)
	}
	return answer.State, nil
}

func (c *RemoteController) do(ctx context.Context, method, id string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/v1/nodes/"+url.PathEscape(id), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	switch {
	case res.StatusCode == http.StatusNotFound && method == http.MethodGet:
		return nil, fmt.Errorf("%w: node %s", ErrUnknown, id)
	case res.StatusCode >= 300:
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, req.URL, res.Status, bytes.TrimSpace(b))
	}
	return b, nil
}
