package apitest

import (
	"context"
	"crypto/md5" // names become ids that look like ids; nothing is protected
	"encoding/hex"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// Auth is an authenticator whose tokens say who they are:
// "user/role,role/project". A role brings those below it. The project
// "system" is the system's scope.
type Auth struct{}

// Token makes a token.
func Token(user, roles, project string) string { return user + "/" + roles + "/" + project }

// ID is the id of a user or project of Auth, by its name.
func ID(name string) string {
	sum := md5.Sum([]byte(name)) // see above
	return hex.EncodeToString(sum[:])
}

// implied are the roles in order: each brings those behind it.
var implied = []string{"admin", "manager", "member", "reader"}

// Authenticate takes a token apart.
func (Auth) Authenticate(_ context.Context, token string) (*cloud.Caller, error) {
	parts := strings.Split(token, "/")
	if len(parts) != 3 {
		return nil, cloud.Unauthorized("")
	}
	c := &cloud.Caller{UserID: ID(parts[0]), UserName: parts[0], UserDomainID: "default"}
	for role := range strings.SplitSeq(parts[1], ",") {
		if i := slices.Index(implied, role); i >= 0 {
			c.Roles = append(c.Roles, implied[i:]...)
		} else if role != "" {
			c.Roles = append(c.Roles, role)
		}
	}
	c.IsAdmin = c.Has("admin")
	if parts[2] == "system" {
		c.System = true
		return c, nil
	}
	c.ProjectID, c.ProjectName, c.ProjectDomainID = ID(parts[2]), parts[2], "default"
	return c, nil
}
