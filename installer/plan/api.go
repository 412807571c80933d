package plan

import "github.com/cairn-cloud/cairn/node/spec"

// What installer and deployer say to each other, in JSON over TLS. The
// installer pins the cluster's CA by the fingerprint on its kernel line and
// sends its boot ticket as a bearer token. Errors are {"error": "..."} with a
// 4xx code: 401 no or used-up ticket, 403 refused, 409 wrong state.
//
//	POST /v1/machines/{machine}/inventory   Inventory    -> Answer
//	GET  /v1/machines/{machine}/plan                     -> Answer (asked again while Wait is set)
//	POST /v1/machines/{machine}/progress    Progress     -> 204
//	POST /v1/machines/{machine}/enrol       EnrolRequest -> Enrolment (uses the ticket up)
//
// The files of the release are under http://<deployer>:8080/image/, with
// ranges; they are signed and need no TLS.

// Ports of a deployer.
const (
	HTTPPort  = 8080 // boot scripts, kernel, initramfs, chunks
	HTTPSPort = 8443 // everything that matters
)

// Parameters on the kernel line. Params of the installer; the deployer's
// scripts write them and the init reads them.
const (
	ParamMode     = "cairn.mode"     // install, boot (default: boot an installed disk) or shell-less "idle"
	ParamDeployer = "cairn.deployer" // host or address of the deployer
	ParamCA       = "cairn.ca"       // sha256:<hex of the CA certificate's DER>
	ParamTicket   = "cairn.ticket"   // one-shot boot ticket
	ParamRack     = "cairn.rack"     // where rack.yaml is: URL, or empty: on the medium or CAIRN-CONF
	ParamBootIf   = "BOOTIF"         // 01-aa-bb-..., written by PXE loaders
	ParamDisk     = "cairn.disk"     // disk to boot or to install on: a path or a serial number
	ParamSlot     = "cairn.slot"     // slot to boot: a or b; default: the newest
	ParamFail     = "cairn.fail"     // after a failure: reboot (default), wait or poweroff
)

// ConfVolume is the file system label of a volume that holds rack.yaml.
const ConfVolume = "CAIRN-CONF"

// An Answer to an inventory: a plan, a reason to wait, or a refusal.
type Answer struct {
	Plan    *Plan  `json:"plan,omitempty"`
	Wait    string `json:"wait,omitempty"`    // why there is none yet; ask again in some seconds
	Refused string `json:"refused,omitempty"` // why there will be none, and the remedy
}

// Progress of an installation, as shown to people. Reports are sent when the
// phase changes and at most once a second inside one.
type Progress struct {
	Phase  string `json:"phase"` // partition, write, verify, configure, enrol, handover; failed
	Done   int64  `json:"done,omitempty"`
	Total  int64  `json:"total,omitempty"` // bytes
	Detail string `json:"detail,omitempty"`
}

// An EnrolRequest asks for an identity. Of the CSR only the public key and
// the proof of possession count: names and role come from the deployer.
type EnrolRequest struct {
	CSR string `json:"csr"` // PEM
}

// An Enrolment is the identity of a new node.
type Enrolment struct {
	Node        spec.Node `json:"node"`
	Certificate string    `json:"certificate"` // PEM
	CA          string    `json:"ca"`          // PEM
}
