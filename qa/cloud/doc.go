// Package cloud runs a whole cloud on one host: the real controller process,
// a private MariaDB and RabbitMQ over TLS, and simulated nodes. It is for work
// on the APIs and for conformance suites; nothing in it needs root.
//
// `cloud up` starts a supervisor in the background and returns when a token was
// issued. The supervisor owns the other processes: they end with it. Everything
// that the cloud keeps is in one directory, and is there again after the next
// `cloud up`:
//
//	clouds.yaml      for OpenStack clients, cloud name "cloud"; 0600
//	cloud.log        what all processes said
//	cloud.pid        the supervisor
//	pki/             the cloud's CA and certificates
//	mariadb/ rabbitmq/ controller/ nodes/
package cloud
