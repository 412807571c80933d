package arch

// Modules are the modules of others that our code may import directly, each
// with what it is needed for. A new one is a decision: add it here with its
// reason in the commit that adds it to go.mod.
var Modules = map[string]string{
	"charm.land/bubbletea/v2":                "the installer's screens on a console and a serial line: keys in, what changed out",
	"github.com/alecthomas/kong":             "command lines: sub-commands as structs, no dependencies of its own",
	"github.com/anatol/devmapper.go":         "dm-verity and dm-crypt by ioctl, in an initramfs without veritysetup and cryptsetup",
	"github.com/bougou/go-ipmi":              "power of machines whose BMC speaks IPMI 2.0 alone",
	"github.com/coreos/go-systemd/v22":       "sd_notify, journal and units",
	"github.com/digitalocean/go-libvirt":     "libvirt's RPC without cgo",
	"github.com/diskfs/go-diskfs":            "GPT of the target disk",
	"github.com/go-chi/chi/v5":               "routes that net/http's mux refuses or rewrites",
	"github.com/go-jose/go-jose/v4":          "signatures of tokens that an OpenID Connect provider made, and its published keys",
	"github.com/go-ldap/ldap/v3":             "users of a domain that come from a directory: LDAP with its filters, paging and StartTLS",
	"github.com/go-sql-driver/mysql":         "MariaDB",
	"github.com/google/go-cmp":               "readable differences in tests",
	"github.com/google/go-tpm":               "keys of encrypted disks in the machine's TPM 2.0",
	"github.com/google/uuid":                 "ids",
	"github.com/gophercloud/gophercloud/v2":  "a stranger's client: qa uses the cloud through it",
	"github.com/insomniacslk/dhcp":           "DHCP of the deployer and of project networks",
	"github.com/klauspost/compress":          "zstd",
	"github.com/mattn/go-isatty":             "bars on a terminal, lines elsewhere",
	"github.com/mdlayher/ndp":                "router advertisements: iPXE would wait for one",
	"github.com/mdlayher/packet":             "raw Ethernet sockets of DHCP on a bridge port",
	"github.com/pin/tftp/v3":                 "TFTP server for boot ROMs",
	"github.com/prometheus/client_golang":    "histograms and counters in the form that monitoring reads, and the figures of Go's runtime",
	"github.com/rabbitmq/amqp091-go":         "RabbitMQ",
	"github.com/rogpeppe/go-internal":        "testscript",
	"github.com/stmcginnis/gofish":           "power of machines by Redfish",
	"github.com/u-root/u-root":               "cpio archives, module loading and mounting in the initramfs",
	"github.com/ulikunitz/xz":                "reads xz, which Debian packs its kernel modules with",
	"github.com/vishvananda/netlink":         "links, bridges and VLANs",
	"github.com/vishvananda/netns":           "network namespaces of metadata and DHCP",
	"go.etcd.io/bbolt":                       "small durable state of the deployer and the agent",
	"go.yaml.in/yaml/v4":                     "rack.yaml, with line numbers in errors",
	"golang.org/x/crypto":                    "bcrypt, SSH, and XTS for key slots of LUKS",
	"golang.org/x/crypto/x509roots/fallback": "public CAs, for fetching SSH keys in an initramfs that has none",
	"golang.org/x/net":                       "BPF, ICMP and HTTP/2 pieces outside the standard library",
	"golang.org/x/sync":                      "errgroup",
	"golang.org/x/sys":                       "system calls",
	"golang.org/x/term":                      "the width of a terminal, and a password that it does not show",
	"libvirt.org/go/libvirtxml":              "libvirt's XML as structs",

	// Tests alone use these.
	"github.com/santhosh-tekuri/jsonschema/v6": "a second opinion on the JSON Schema of rack.yaml",
}
