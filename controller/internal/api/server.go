package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/go-chi/chi/v5"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
)

// An Authenticator knows who has a token. It must not ask the database: every
// request waits for it. A token that is not valid is Unauthorized.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (*cloud.Caller, error)
}

// Options are what a [Server] consists of.
type Options struct {
	Services []Service
	Auth     Authenticator
	Log      *slog.Logger
	Clock    cloud.Clock // nil: the machine's
	// Overrides are the operator's rules in the place of defaults, by service.
	Overrides map[string][]policy.Override
	Limits    Limits
	Pace      Pace // of streams; zero: 64 KiB a minute
	// Tell are told of every request when it is answered, and must not keep
	// what they are told of waiting.
	Tell []func(*Done)
}

// A Server answers for all services, each below its Path.
type Server struct {
	services []*bound
	handler  http.Handler
	underWay atomic.Int64
}

// A bound is a service with what is worked out once.
type bound struct {
	service *Service
	policy  *policy.Set
	micro   *microversions
	auth    Authenticator
	clock   cloud.Clock
	pace    Pace
	log     *slog.Logger
	shapes  shapes
}

// New builds the handler of all services, and fails on the mistakes that a
// description can have.
func New(o Options) (*Server, error) {
	if o.Clock == nil {
		o.Clock = cloud.SystemClock
	}
	if o.Pace == (Pace{}) {
		o.Pace = defaultPace
	}
	s := &Server{}
	root := chi.NewRouter()
	for i := range o.Services {
		b, err := bind(&o.Services[i], o)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", o.Services[i].Name, err)
		}
		if err := b.mount(root); err != nil {
			return nil, fmt.Errorf("service %s: %w", o.Services[i].Name, err)
		}
		s.services = append(s.services, b)
	}
	s.handler = s.outer(o, root)
	return s, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// UnderWay is how many requests are not answered yet.
func (s *Server) UnderWay() int64 { return s.underWay.Load() }

// Services are the services as they were given.
func (s *Server) Services() []Service {
	list := make([]Service, len(s.services))
	for i, b := range s.services {
		list[i] = *b.service
	}
	return list
}

// Rules are the rules of a service, by its name: defaults and overrides.
func (s *Server) Rules(service string) []policy.Rule {
	for _, b := range s.services {
		if b.service.Name == service {
			return b.policy.Rules()
		}
	}
	return nil
}

// bind works out policy and versions of a service.
func bind(s *Service, o Options) (*bound, error) {
	b := &bound{service: s, auth: o.Auth, clock: o.Clock, pace: o.Pace, log: o.Log.With("service", s.Name)}
	set, err := policy.New(s.defaults()...)
	if err != nil {
		return nil, err
	}
	if b.policy, err = set.Override(o.Overrides[s.Name]); err != nil {
		return nil, err
	}
	if s.Min == "" {
		return b, nil
	}
	lowest, err := ParseVersion(s.Min)
	if err != nil {
		return nil, err
	}
	highest, err := ParseVersion(s.Max)
	if err != nil {
		return nil, err
	}
	b.micro = &microversions{name: s.Name, legacy: s.Dialect.LegacyVersion, min: lowest, max: highest}
	return b, nil
}

// A mounting is a service on its way into the router.
type mounting struct {
	*bound
	router chi.Router // at Path/Version
}

// mount puts everything of the service into the router.
func (b *bound) mount(root chi.Router) error {
	s := b.service
	service := chi.NewRouter()
	notFound := b.handler(handling{public: true}, func(ctx context.Context, c *Call) error {
		return cloud.NotFound("The resource could not be found.")
	})
	notAllowed := b.handler(handling{public: true}, func(ctx context.Context, c *Call) error {
		return cloud.Errorf(cloud.KindMethodNotAllowed, "The method is not allowed for this resource.")
	})
	service.NotFound(notFound)
	service.MethodNotAllowed(notAllowed)
	b.mountVersions(service)

	version := chi.NewRouter()
	version.NotFound(notFound)
	version.MethodNotAllowed(notAllowed)
	m := &mounting{bound: b, router: version}
	for _, r := range s.Resources {
		if err := r.mount(m); err != nil {
			return err
		}
	}
	for _, r := range s.Routes {
		if err := b.mountRoute(r, service, version); err != nil {
			return err
		}
	}
	service.Mount("/"+s.Version+"/", withoutSlash(s.Dialect.Slash, withoutProject(s.ProjectInPath, version)))
	root.Mount(s.Path, service)
	return nil
}

func (b *bound) mountRoute(r Route, service, version chi.Router) error {
	if r.Rule != "" && !b.policy.Has(r.Rule) {
		return fmt.Errorf("route %s %s: the rule %q does not exist; add it to Service.Rules", r.Method, r.Path, r.Rule)
	}
	how := b.handling(r.Path)
	how.public, how.stream, how.login = r.Public, r.Stream, r.Login
	to := version
	if r.Root {
		to, how.route = service, b.service.Path+r.Path
	}
	h := b.handler(how, func(ctx context.Context, c *Call) error {
		if r.Rule != "" {
			if err := c.Allow(r.Rule, nil); err != nil {
				return err
			}
		}
		return r.Handle(ctx, c)
	})
	to.Method(r.Method, r.Path, h)
	return nil
}

// withoutSlash takes a slash off the end of the path.
func withoutSlash(does bool, next http.Handler) http.Handler {
	if !does {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rctx := chi.RouteContext(r.Context()); len(rctx.RoutePath) > 1 {
			rctx.RoutePath = strings.TrimSuffix(rctx.RoutePath, "/")
		}
		next.ServeHTTP(w, r)
	})
}

// withoutProject takes a project's id out of the front of the path.
func withoutProject(does bool, next http.Handler) http.Handler {
	if !does {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rctx := chi.RouteContext(r.Context())
		first, rest, ok := strings.Cut(strings.TrimPrefix(rctx.RoutePath, "/"), "/")
		if ok && (cloud.IsHexID(first) || cloud.IsID(first)) {
			rctx.RoutePath = "/" + rest
		}
		next.ServeHTTP(w, r)
	})
}
