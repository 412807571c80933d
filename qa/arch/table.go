package arch

// Module is our own module path.
const Module = "github.com/cairn-cloud/cairn"

// TopFolders are the only folders at the top that may hold code.
var TopFolders = []string{"cmd", "installer", "pxe", "image-builder", "node", "controller", "hardening", "iso", "qa"}

// MaxLevels is how many levels of folders with code may be below a top folder.
const MaxLevels = 3

// ForbiddenNames are folder names that say nothing about what is inside.
var ForbiddenNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "types"}

// A Rule says what the packages that it matches may import of ours. Patterns
// are paths below the module: "a/*" is any package right below a, "a/..." is a
// and all below it. The word [Family] in May stands for the package's own
// service or part: everything under the first two path elements.
type Rule struct {
	Of      string   // which packages
	May     []string // what of ours they may import
	StdOnly bool     // nothing outside the standard library at all
	Never   []string // import paths that may not be reached, not even indirectly
	Why     string   // the reason, shown with every violation
}

// Family stands for a package's own part of the tree, like node/guest/... for
// node/guest/lxc.
const Family = "<family>"

// Rules is the import table of the repository. The first rule whose Of
// matches a package holds for it; a package that none matches is an error.
var Rules = []Rule{
	{Of: "node/spec", StdOnly: true, Why: "the contract between controller and node must be readable by everybody and drag in nothing"},
	{Of: "controller/internal/cloud", StdOnly: true, Why: "shared words stay words: every service sees them, so they may see nothing"},
	{Of: "node/host", Why: "a leaf: what touches the host is used by installer, node and builder alike"},
	{Of: "image-builder/manifest", Why: "whoever checks a signature should have little else to trust"},
	{Of: "hardening/pki", Why: "a leaf: whoever issues or checks a certificate needs nothing else of ours"},
	{Of: "hardening", May: []string{"hardening/pki", "node/spec"}, Why: "a leaf: controls are applied by the installer, at boot and by tests; their only input is the node manifest"},
	{Of: "hardening/private/...", May: []string{"hardening", "hardening/pki", Family}, Why: "private brokers for tests use the same configuration generators as the image"},
	{Of: "hardening/...", May: []string{"hardening/...", "node/spec"}, Why: "parts of one leaf"},

	{Of: "node/agent/...", May: []string{"node/...", "hardening"}, Why: "the agent is where the parts of a node meet; a node knows neither controller nor installer"},
	{Of: "node/simnode/...", May: []string{"node/spec", "node/bus", "node/agent", "node/guest", Family}, Why: "a simulated node is the real agent over the real contract, with guests that only exist in memory"},
	{Of: "node/disk/...", May: []string{"node/spec", "node/host", "node/guest", "node/imagecache", Family}, Why: "makes the disks that guests ask for out of images that the cache has checked"},
	{Of: "node/...", May: []string{"node/spec", "node/host", "node/bus", "hardening", Family}, Why: "one job on a host each: parts of a node do not know each other, nor controller, installer or pxe"},

	{Of: "controller/internal/policy", May: []string{"controller/internal/cloud"}, Why: "the kit depends downwards only"},
	{Of: "controller/internal/store", May: []string{"controller/internal/cloud"}, Why: "the kit depends downwards only"},
	{Of: "controller/internal/quota", May: []string{"controller/internal/cloud", "controller/internal/store"}, Why: "the kit depends downwards only; quota is reserved in the caller's transaction"},
	{Of: "controller/internal/api", May: []string{"controller/internal/cloud", "controller/internal/policy", "controller/internal/quota", "controller/internal/store"}, Why: "the kit depends downwards only"},
	{Of: "controller/internal/audit", May: []string{"controller/internal/api", "controller/internal/cloud"}, Why: "is told of requests by the API, and knows no service"},
	{Of: "controller/internal/metrics", May: []string{"controller/internal/api"}, Why: "is told of requests by the API, and knows no service"},
	{Of: "controller/internal/reference", May: []string{"controller/internal/api", "controller/internal/cloud", "controller/internal/policy"}, Why: "writes down what descriptions say, and knows no service"},
	{Of: "controller/internal/apitest", May: []string{"controller/internal/api", "controller/internal/cloud", "controller/internal/policy", "controller/internal/quota", "controller/internal/store", "hardening/private"}, Why: "the conformance suite knows the kit, not the services"},
	{Of: "controller/internal/testcloud", May: []string{"controller/...", "node/simnode", "node/bus", "node/spec", "hardening", "hardening/private"}, Why: "the whole controller in one test process, with simulated nodes; imported by tests only"},
	{Of: "controller/internal/...", May: []string{"controller/internal/cloud", Family}, Why: "the kit knows no service"},

	{Of: "controller/*/scheduler", May: []string{"controller/internal/cloud"}, Never: []string{"net/http", "database/sql"}, Why: "pure: decides from values, so that it can be tested exhaustively"},
	{Of: "controller/*/ipam", May: []string{"controller/internal/cloud"}, Never: []string{"net/http", "database/sql"}, Why: "pure: decides from values, so that it can be tested exhaustively"},
	{Of: "controller/*/template", May: []string{"controller/internal/cloud"}, Never: []string{"net/http", "database/sql"}, Why: "pure: decides from values, so that it can be tested exhaustively"},
	{Of: "controller/dashboard/...", May: []string{Family}, Why: "the dashboard is a client like any other: it uses the public APIs over HTTP"},
	{Of: "controller", May: []string{"controller/...", "node/spec", "node/bus", "hardening"}, Why: "the only meeting place of two services"},
	{Of: "controller/...", May: []string{"controller/internal/cloud", "controller/internal/api", "controller/internal/policy", "controller/internal/quota", "controller/internal/store", "node/spec", Family}, Why: "a service knows the kit and itself; it asks for other services through small interfaces of its own"},

	{Of: "installer/plan", May: []string{"node/spec"}, Why: "a plan is a value: it can be printed, refused and tested without a machine"},
	{Of: "installer/...", May: []string{"installer/...", "node/host", "node/spec", "hardening", "hardening/pki", "image-builder/manifest"}, Why: "the installer runs before there is a controller and must not need one"},
	{Of: "pxe/...", May: []string{"pxe/...", "image-builder/manifest", "hardening", "hardening/pki", "installer/plan", "node/spec"}, Why: "a deployer runs on a laptop as well as on a controller; it knows the installer's contract only"},
	{Of: "image-builder/...", May: []string{"image-builder/...", "hardening", "node/host"}, Why: "runs on the build host only"},
	{Of: "iso/...", May: []string{"iso/...", "installer/plan", "installer/rackfile", "image-builder/manifest", "image-builder/bootdisk", "image-builder/tool", "hardening", "node/host"}, Why: "packs what a release directory holds, whoever made it; GRUB's pieces are made in one place"},

	{Of: "qa/cloud/...", May: []string{Family, "hardening/private", "hardening/pki", "node/spec"}, Why: "sets up on one host what hardening sets up on a machine, and tells simulated nodes who they are; the roles themselves run as processes"},
	{Of: "qa/inside", May: []string{"installer/initrd", "image-builder/initramfs", "qa/built"}, Why: "is the first process of a machine, as the installer is; only tests import it"},
	{Of: "qa/...", May: []string{Family, "hardening/private"}, Why: "drives the rest as processes and over their APIs, as a stranger would"},
	{Of: "cmd/...", May: []string{"..."}, Why: "main joins the roles to one program"},
}

// Forbidden is text that no file may carry, with the reason.
var Forbidden = []struct{ Pattern, Why string }{
	{`(?i)\b(deb|ftp|archive|security|snapshot)[.]debian[.]org\b`, "package sources come from the host's own apt configuration or a flag"},
	{`(?i)\b(archive|security|ports)[.]ubuntu[.]com\b`, "package sources come from the host's own apt configuration or a flag"},
	{`(?i)\b(proxy|sum)[.]golang[.]org\b`, "module sources come from the host's own go configuration"},
	{`(?i)\b(pypi[.]org|files[.]pythonhosted[.]org|registry[.]npmjs[.]org)\b`, "packages come from the host's own configuration"},
	{`(^|[\s"'(=:])/work/`, "paths of one developer's machine mean nothing elsewhere"},
}
