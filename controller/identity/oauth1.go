package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// OAuth 1.0a lets a consumer act for a user whose password it does not know:
// the consumer asks with a request token, the user agrees to roles on a
// project and tells the consumer the verifier, and the consumer gets an access
// token for it, with which it logs in.

// An oauthRequest is a request token: what a consumer asks of some user.
type oauthRequest struct {
	ID           string    `db:"id,key"`
	ConsumerID   string    `db:"consumer_id"`
	ProjectID    string    `db:"project_id"`
	Sealed       string    `db:"secret_sealed"`
	ExpiresAt    time.Time `db:"expires_at"`
	UserID       *string   `db:"user_id"` // nil: nobody has agreed yet
	RoleIDs      []string  `db:"roles,json"`
	VerifierHash string    `db:"verifier_hash"`
}

// How long there is to agree, and how long that counts (Keystone's defaults).
const (
	requestTokenLifetime = 8 * time.Hour
	accessTokenLifetime  = 24 * time.Hour
	// oauthSkew is how far the clock of a consumer may be off; nonces are
	// remembered as long.
	oauthSkew = 5 * time.Minute
)

// ruleAuthorize is who may agree to what a consumer asks.
const ruleAuthorize = "identity:authorize_request_token"

func (s *Service) oauthRoutes() []api.Route {
	return []api.Route{
		{Method: http.MethodPost, Path: "/OS-OAUTH1/request_token", Public: true, Handle: s.requestToken},
		{Method: http.MethodPut, Path: "/OS-OAUTH1/authorize/{request_token_id}", Rule: ruleAuthorize, Handle: s.authorizeToken},
		{Method: http.MethodPost, Path: "/OS-OAUTH1/access_token", Public: true, Handle: s.accessToken},
	}
}

// verifyOAuth sees that a request was signed by a consumer, and with a token's
// secret if it has one, now and never before. What does not exist and what is
// signed wrongly are one answer.
func (s *Service) verifyOAuth(ctx context.Context, c *api.Call, p oauthParams, tokenSecret string, known bool) error {
	at, err := strconv.ParseInt(p[oauthTimestamp], 10, 64)
	if err != nil {
		return cloud.BadRequest("%s is %q; allowed: seconds since 1970", oauthTimestamp, short(p[oauthTimestamp]))
	}
	form := url.Values{}
	if isForm(c.Request()) {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return cloud.BadRequest("The request body cannot be read.").Because(err)
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			return cloud.BadRequest("The request body is no form.")
		}
	}
	consumer, err := s.tables.consumers.Get(ctx, p[oauthConsumer])
	if err != nil && !cloud.IsNotFound(err) {
		return err
	}
	secret := newSecret()
	if consumer != nil {
		if secret, err = s.secrets.open(consumer.Sealed, consumer.ID); err != nil {
			return err
		}
	}
	right := p.right(baseString(c.Request(), c.Host(), p, form), secret, tokenSecret)
	d := s.clock().Sub(time.Unix(at, 0))
	if !right || !known || consumer == nil || d > oauthSkew || d < -oauthSkew {
		return cloud.Unauthorized("The request is not signed by a consumer, with a token of its own, within %s.", oauthSkew)
	}
	return s.useNonce(ctx, p)
}

// useNonce refuses a request that was there before.
func (s *Service) useNonce(ctx context.Context, p oauthParams) error {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{p[oauthConsumer], p[oauthToken], p[oauthTimestamp], p[oauthNonce]}))
	err := s.tables.nonces.Insert(ctx, &nonce{hex.EncodeToString(sum[:]), s.clock().Add(2 * oauthSkew)})
	if cloud.IsConflict(err) {
		return cloud.Unauthorized("The request was made before: %s and %s were used.", oauthNonce, oauthTimestamp)
	}
	return err
}

// A nonce is a request that was made.
type nonce struct {
	ID        string    `db:"id,key"`
	ExpiresAt time.Time `db:"expires_at"`
}

// sweepOAuth forgets what does not count any more.
func (s *Service) sweepOAuth(ctx context.Context) error {
	now := s.clock()
	if _, err := s.tables.nonces.Delete(ctx, store.Le("expires_at", now)); err != nil {
		return err
	}
	if _, err := s.tables.oauthRequests.Delete(ctx, store.Le("expires_at", now)); err != nil {
		return err
	}
	return s.db.Transact(ctx, func(tx *store.Tx) error { return s.endAccesses(ctx, tx, store.Le("expires_at", now)) })
}

// requestToken answers POST /OS-OAUTH1/request_token.
func (s *Service) requestToken(ctx context.Context, c *api.Call) error {
	p, err := parseOAuth(c.Request().Header.Get("Authorization"))
	if err != nil {
		return err
	}
	project := c.Request().Header.Get("Requested-Project-Id")
	if project == "" {
		return cloud.BadRequest("Requested-Project-Id is missing in the headers; needed: the id of a project")
	}
	if err := s.verifyOAuth(ctx, c, p, "", true); err != nil {
		return err
	}
	if found := s.now.Load().projects.at(project); found == nil || found.IsDomain {
		return cloud.NotFound("Could not find project: %s.", short(project))
	}
	secret := newSecret()
	row := &oauthRequest{ID: cloud.NewHexID(), ConsumerID: p[oauthConsumer], ProjectID: project, ExpiresAt: s.clock().Add(requestTokenLifetime), RoleIDs: []string{}}
	row.Sealed = s.secrets.seal(secret, row.ID)
	if err := s.tables.oauthRequests.Insert(ctx, row); err != nil {
		return err
	}
	return oauthReply(c, oauthAnswer(row.ID, secret, row.ExpiresAt))
}

// oauthReply answers with a form, as RFC 5849 wants it.
func oauthReply(c *api.Call, body string) error {
	c.Header().Set("Content-Type", "application/x-www-form-urlencoded")
	c.Header().Set("Cache-Control", "no-store")
	c.Writer().WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(c.Writer(), body) // the client has gone: nobody to tell
	return nil
}

// openRequest reads a request token that has not expired; NotFound if there is
// none.
func (s *Service) openRequest(ctx context.Context, id string) (*oauthRequest, error) {
	row, err := s.tables.oauthRequests.Get(ctx, id)
	switch {
	case cloud.IsNotFound(err), err == nil && !s.clock().Before(row.ExpiresAt):
		return nil, cloud.NotFound("Could not find request token: %s.", short(id))
	default:
		return row, err
	}
}

// authorizeToken answers PUT /OS-OAUTH1/authorize/{request_token_id}: the user
// agrees that the consumer has some of the user's roles on the project that it
// asked for.
func (s *Service) authorizeToken(ctx context.Context, c *api.Call) error {
	if c.Caller.Delegated {
		return cloud.Forbidden("A request token cannot be authorized with what was delegated.")
	}
	var body struct {
		Roles []roleRef `json:"roles"`
	}
	if err := c.Read(&body); err != nil {
		return err
	}
	if len(body.Roles) == 0 {
		return cloud.BadRequest("roles is empty; needed: roles of the user on the project, by id or name")
	}
	row, err := s.openRequest(ctx, c.Param("request_token_id"))
	if err != nil {
		return err
	}
	snap, ids := s.now.Load(), []string{}
	have := snap.rolesOn(c.Caller.UserID, target{"project", row.ProjectID})
	for i := range body.Roles {
		r := snap.findRole(&body.Roles[i])
		if r == nil || !hasRole(have, r) {
			return cloud.Unauthorized("roles.%d is %q; allowed: roles that the user has on the project %s.", i, short(body.Roles[i].ID+body.Roles[i].Name), row.ProjectID)
		}
		ids = append(ids, r.ID)
	}
	verifier := newPassword()
	n, err := s.tables.oauthRequests.Change(ctx, store.Set{"user_id": c.Caller.UserID, "roles": store.JSON{Of: ids}, "verifier_hash": s.secrets.hash(verifier)},
		store.Eq("id", row.ID), store.Or(store.Eq("user_id", nil), store.Eq("user_id", c.Caller.UserID)))
	if err == nil && n == 0 { // another user has agreed already
		err = cloud.NotFound("Could not find request token: %s.", row.ID)
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"token": map[string]string{"oauth_verifier": verifier}})
}

func hasRole(list []*Role, r *Role) bool {
	for _, have := range list {
		if have.ID == r.ID {
			return true
		}
	}
	return false
}

// accessToken answers POST /OS-OAUTH1/access_token: a request token to which
// somebody has agreed becomes an access token.
func (s *Service) accessToken(ctx context.Context, c *api.Call) error {
	p, err := parseOAuth(c.Request().Header.Get("Authorization"))
	if err != nil {
		return err
	}
	for _, name := range []string{oauthToken, oauthVerifier} {
		if p[name] == "" {
			return cloud.BadRequest("%s is missing in the Authorization header.", name)
		}
	}
	row, err := s.openRequest(ctx, p[oauthToken])
	if err != nil && !cloud.IsNotFound(err) {
		return err
	}
	asked, secret := &oauthRequest{}, newSecret()
	if row != nil {
		asked = row
		if secret, err = s.secrets.open(row.Sealed, row.ID); err != nil {
			return err
		}
	}
	agreed := asked.UserID != nil && s.secrets.matches(asked.VerifierHash, p[oauthVerifier])
	if err := s.verifyOAuth(ctx, c, p, secret, asked.ConsumerID == p[oauthConsumer] && agreed); err != nil {
		return err
	}
	return s.giveAccess(ctx, c, asked)
}

// giveAccess makes an access token of a request token, once.
func (s *Service) giveAccess(ctx context.Context, c *api.Call, asked *oauthRequest) error {
	secret := newSecret()
	row := &oauthAccess{
		ID: cloud.NewHexID(), ConsumerID: asked.ConsumerID, UserID: *asked.UserID, ProjectID: asked.ProjectID, RoleIDs: asked.RoleIDs,
		ExpiresAt: s.clock().Add(accessTokenLifetime),
	}
	row.Sealed = s.secrets.seal(secret, row.ID)
	err := s.change(ctx, func(tx *store.Tx) error {
		n, err := s.tables.oauthRequests.In(tx).Delete(ctx, store.Eq("id", asked.ID), store.Eq("verifier_hash", asked.VerifierHash))
		if err == nil && n == 0 { // somebody was faster
			err = cloud.Unauthorized("")
		}
		if err != nil {
			return err
		}
		return s.tables.oauthAccesses.In(tx).Insert(ctx, row)
	}, wrote(kindAccess, row.ID))
	if err != nil {
		return err
	}
	return oauthReply(c, oauthAnswer(row.ID, secret, row.ExpiresAt))
}
