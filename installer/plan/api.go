package plan

import (
	"github.com/cairn-cloud/cairn/node/spec"
)

// What installer and deployer say to each other, in JSON over TLS. The
// installer pins the cluster's CA by the fingerprint on its kernel line and
// sends its boot ticket as a bearer token. Errors are {"error": "..."} with a
// 4xx code: 401 no or used-up ticket, 403 refused, 409 wrong state.
//
//	POST /v1/machines/{machine}/inventory   Inventory    -> Answer
//	GET  /v1/machines/{machine}/plan                     -> Answer (asked again while Wait is set)
//	POST /v1/machines/{machine}/progress    Progress     -> 204
//	POST /v1/machines/{machine}/fabric      FabricReport -> 204 (while the answer has an order)
//	POST /v1/machines/{machine}/have        Have         -> Swarm (chunks that others have; peers)
//	POST /v1/machines/{machine}/enrol       EnrolRequest -> Enrolment (uses the ticket up)
//
// A node with an encrypted data partition and no TPM asks with a certificate
// that is good for this alone:
//
//	POST /v1/nodes/{id}/unlock              UnlockRequest -> Unlock
//
// A compute node asks with its own certificate whether it is to take part in a
// round of the fabric check; N is the last one that it took part in. The answer
// comes when there is one, or after half a minute.
//
//	GET  /v1/nodes/{id}/fabric?after=N      -> FabricOrder, or 204
//	POST /v1/nodes/{id}/fabric              FabricReport -> 204
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
	ParamMode     = "cairn.mode"     // install, boot (default: boot an installed disk), inventory or shell-less "idle"
	ParamDeployer = "cairn.deployer" // host or address of the deployer
	ParamCA       = "cairn.ca"       // sha256:<hex of the CA certificate's DER>
	ParamTicket   = "cairn.ticket"   // one-shot boot ticket
	ParamRack     = "cairn.rack"     // where rack.yaml is: URL, or empty: on the medium or CAIRN-CONF
	ParamBootIf   = "BOOTIF"         // 01-aa-bb-..., written by PXE loaders
	ParamDisk     = "cairn.disk"     // disk to boot or to install on: a path or a serial number
	ParamSlot     = "cairn.slot"     // slot to boot: a or b; default: the newest
	ParamFail     = "cairn.fail"     // after a failure: reboot (default), wait or poweroff
	ParamLLDP     = "cairn.lldp"     // seconds to wait for switches to say who they are; default 3
	ParamVLAN     = "cairn.vlan"     // tag of the management network, 1 to 4094; default: untagged
	ParamBond     = "cairn.bond"     // active-backup or 802.3ad: install over a bond of all cards with link
)

// ConfVolume is the file system label of a volume that holds rack.yaml.
const ConfVolume = "CAIRN-CONF"

// An Answer to an inventory: a plan, a reason to wait, or a refusal.
type Answer struct {
	Plan    *Plan  `json:"plan,omitempty"`
	Wait    string `json:"wait,omitempty"`    // why there is none yet; ask again in some seconds
	Refused string `json:"refused,omitempty"` // why there will be none, and the remedy
	// Again asks for the inventory as it is now, while waiting.
	Again bool `json:"again,omitempty"`
	// Fabric is what to do while waiting: probe the switches.
	Fabric *FabricOrder `json:"fabric,omitempty"`
}

// What a round of the fabric check says is the same for a new machine and for
// one that runs.
type (
	FabricOrder  = spec.FabricOrder
	FabricPeer   = spec.FabricPeer
	FabricReport = spec.FabricReport
	FabricHeard  = spec.FabricHeard
	FabricCard   = spec.FabricCard
)

// Have says which chunks of root.img a machine holds and serves to peers
// under http://<its address>:<port>/image/root.img, with ranges.
type Have struct {
	Port  int   `json:"port"`  // 0: it serves nobody
	Bits  Bits  `json:"bits"`  // what it holds
	Sent  int64 `json:"sent"`  // bytes given to peers so far
	Taken int64 `json:"taken"` // bytes taken from peers so far
	// Damaged are the URLs of peers that gave it a chunk that was wrong.
	Damaged []string `json:"damaged,omitempty"`
	// Silent are those of peers that it cannot get chunks from.
	Silent []string `json:"silent,omitempty"`
}

// A Swarm is who else has chunks, and which ones the machine is to fetch from
// the deployer: each chunk is given to one machine, and the others have it from
// there.
type Swarm struct {
	Peers []SwarmPeer `json:"peers"`
	Take  Bits        `json:"take"`  // from the deployer; all else comes to peers soon
	First int         `json:"first"` // of those, the one to begin with
}

// A SwarmPeer is a machine that serves chunks.
type SwarmPeer struct {
	URL  string `json:"url"` // of root.img
	Bits Bits   `json:"bits"`
}

// An UnlockRequest asks for the key of a node's data partition.
type UnlockRequest struct {
	LUKS string `json:"luks"` // UUID of the LUKS header
}

// An Unlock has the key. It is never logged.
type Unlock struct {
	Key string `json:"key"` // base64, 32 bytes
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
	// Founds tells a machine to found the cluster itself: certificate and CA
	// are empty then.
	Founds bool `json:"founds,omitempty"`
}
