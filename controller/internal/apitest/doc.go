// Package apitest plays transcripts of requests and answers against a
// service, and holds every resource of a service to what all resources must
// do. It also gives tests a schema on a real MariaDB.
//
// Only tests import it.
package apitest
