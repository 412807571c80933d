package hardening

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
)

// Configuration files of Cairn's own services.
const (
	ControllerConfigFile = ConfigDir + "/controller.json"
	DeployConfigFile     = ConfigDir + "/deploy.json"
)

// A ControllerConfig is /etc/cairn/controller.json, which the controller
// reads.
type ControllerConfig struct {
	Listen            string           `json:"listen"`
	NodeListen        string           `json:"node_listen"`
	StateDir          string           `json:"state_dir"`
	Region            string           `json:"region"`
	CA                string           `json:"ca"`
	Cert              string           `json:"cert"`
	Key               string           `json:"key"`
	Database          DatabaseEndpoint `json:"database"`
	Broker            BrokerEndpoint   `json:"broker"`
	AdminPasswordFile string           `json:"admin_password_file"`
	VLANFrom          int              `json:"vlan_from"`
	VLANTo            int              `json:"vlan_to"`
}

// A DatabaseEndpoint says where the database is and how each account logs in.
type DatabaseEndpoint struct {
	Address    string                   `json:"address"`
	ServerName string                   `json:"server_name"`
	Accounts   map[string]DatabaseLogin `json:"accounts"`
}

// A DatabaseLogin is what one account logs in with.
type DatabaseLogin struct {
	User         string `json:"user"`
	Schema       string `json:"schema"`
	PasswordFile string `json:"password_file"`
	Cert         string `json:"cert"`
	Key          string `json:"key"`
}

// A BrokerEndpoint says where the broker is and how the controller logs in.
type BrokerEndpoint struct {
	Address     string `json:"address"`
	ServerName  string `json:"server_name"`
	VHost       string `json:"vhost"`
	Cert        string `json:"cert"`
	Key         string `json:"key"`
	Definitions string `json:"definitions"`
}

func controllerService() Control {
	return Control{
		ID: "controller", Title: "The API process can do nothing but serve",
		Why:    "it is what strangers talk to",
		Source: "SECURITY.md 1.6; Security Guide, mandatory access controls",
		Roles:  []string{Controller},
		Apply:  render(controllerFiles), Check: rendered(controllerFiles),
	}
}

func controllerFiles(t *Target) ([]File, error) {
	text, err := json.MarshalIndent(controllerConfig(&t.Node), "", "  ")
	return []File{
		{Path: ControllerConfigFile, Text: string(text) + "\n"},
		{Path: unitDir + "/cairn-controller.service", Text: controllerUnit},
	}, err
}

func controllerConfig(n *Node) ControllerConfig {
	at := func(port int) string { return netip.AddrPortFrom(n.management(), uint16(port)).String() }
	c := ControllerConfig{
		Listen: ":443", NodeListen: at(8444), StateDir: controllerState, Region: orDefault(n.Region, "RegionOne"),
		CA: PKIDir + "/ca.crt", Cert: PKIDir + "/api/tls.crt", Key: PKIDir + "/api/tls.key",
		Database: DatabaseEndpoint{
			Address: at(DatabasePort), ServerName: "mariadb", Accounts: make(map[string]DatabaseLogin),
		},
		Broker: BrokerEndpoint{
			Address: at(BrokerPort), ServerName: "rabbitmq", VHost: BrokerVHost,
			Cert:        PKIDir + "/" + BrokerController + "/tls.crt",
			Key:         PKIDir + "/" + BrokerController + "/tls.key",
			Definitions: BrokerDefinitionsFile,
		},
		AdminPasswordFile: operatorState + "/admin-password",
		VLANFrom:          orDefault(n.VLANFrom, 100), VLANTo: orDefault(n.VLANTo, 199),
	}
	for _, s := range DatabaseServices {
		for _, account := range []string{s, s + DDLSuffix} {
			c.Database.Accounts[account] = DatabaseLogin{
				User: account, Schema: s, PasswordFile: databasePassword(account),
				Cert: PKIDir + "/" + s + "/tls.crt", Key: PKIDir + "/" + s + "/tls.key",
			}
		}
	}
	return c
}

// A DeployConfig is /etc/cairn/deploy.json, which the deployer reads.
type DeployConfig struct {
	RackFile     string `json:"rack_file"`
	Release      string `json:"release"` // directory of the release's files but the root image
	Root         string `json:"root"`    // block device that begins with the root image
	StateDir     string `json:"state_dir"`
	OperatorDir  string `json:"operator_dir"`
	InterfaceMAC string `json:"interface_mac"`
	Address      string `json:"address"`
	CA           string `json:"ca"`
	CAKey        string `json:"ca_key"`
	Cert         string `json:"cert"`
	Key          string `json:"key"`
	Controller   string `json:"controller"` // URL
}

func deployService() Control {
	files := func(t *Target) ([]File, error) {
		text, err := json.MarshalIndent(deployConfig(&t.Node), "", "  ")
		return []File{
			{Path: DeployConfigFile, Text: string(text) + "\n"},
			{Path: unitDir + "/cairn-deploy.service", Text: deployUnit},
		}, err
	}
	return Control{
		ID: "deploy", Title: "The deployer alone holds the CA's key, and serves boot files only",
		Why:    "it talks to machines that nobody has checked yet",
		Source: "SECURITY.md 2.1, 1.6",
		Roles:  []string{Controller},
		Apply:  render(files), Check: rendered(files),
	}
}

func deployConfig(n *Node) DeployConfig {
	return DeployConfig{
		RackFile: StateDir + "/rack.yaml", Release: StateDir + "/release", Root: slotDevice,
		StateDir: deployState, OperatorDir: deployOperator, InterfaceMAC: n.Management.MAC, Address: n.management().String(),
		CA: PKIDir + "/ca.crt", CAKey: PKIDir + "/ca.key",
		Cert: PKIDir + "/deployer/tls.crt", Key: PKIDir + "/deployer/tls.key",
		Controller: "https://" + netip.AddrPortFrom(n.management(), 8444).String(),
	}
}

func nodeService() Control {
	files := always(func(*Target) []File {
		return []File{{Path: unitDir + "/cairn-node.service", Text: nodeUnit}}
	})
	return Control{
		ID: "node", Title: "The node agent has the rights of its work and no others",
		Why:    "it is root's hand on a host that runs strangers' code",
		Source: "SECURITY.md 1.6",
		Roles:  []string{Compute},
		Apply:  render(files), Check: rendered(files),
	}
}

// slotDevice is where an installer wrote the root image. Its unit is waited
// for: a device that is not there yet would be forbidden to the deployer.
const (
	slotDevice = "/dev/disk/by-partlabel/cairn-a"
	slotUnit   = `dev-disk-by\x2dpartlabel-cairn\x2da.device`
)

// The controller starts without its database and broker and waits for them
// itself. It may be restarted any number of times.
var controllerUnit = `[Unit]
Description=Cairn controller
After=network.target
StartLimitIntervalSec=0

[Service]
Type=exec
User=` + controllerUser + `
ExecStart=` + Binary + ` controller --config ` + ControllerConfigFile + `
Restart=always
RestartSec=2
TimeoutStopSec=1min
UMask=0077
LimitNOFILE=65536
LimitCORE=0
TasksMax=1024
` + sandbox + `ReadWritePaths=` + controllerState + ` ` + operatorState + ` ` + brokerState + `
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
PrivateDevices=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallFilter=@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self
SystemCallErrorNumber=EPERM
` + socketBind(443, 8444)

// The deployer answers DHCP on the wire, and reads the root image from the
// slot that the machine runs from.
var deployUnit = `[Unit]
Description=Cairn deployer
After=network.target ` + slotUnit + `
Wants=` + slotUnit + `
StartLimitIntervalSec=0

[Service]
Type=exec
User=` + deployUser + `
SupplementaryGroups=disk
ExecStart=` + Binary + ` deploy --config ` + DeployConfigFile + `
Restart=always
RestartSec=2
UMask=0077
LimitNOFILE=65536
LimitCORE=0
TasksMax=1024
` + sandbox + `ReadWritePaths=` + deployState + ` ` + deployOperator + `
AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_NET_ADMIN
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_NET_ADMIN
DevicePolicy=closed
DeviceAllow=` + slotDevice + ` r
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK AF_PACKET
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
`

// nodeUnit has no mount namespace of its own: what the agent mounts for a
// guest must be seen by libvirt.
const nodeUnit = `[Unit]
Description=Cairn node agent
After=network.target libvirtd.socket
Wants=libvirtd.socket
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=` + Binary + ` node
Restart=always
RestartSec=2
UMask=0022
LimitNOFILE=65536
LimitCORE=0
OOMScoreAdjust=-800
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_RESOURCE CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_SETFCAP CAP_SETUID CAP_SETGID CAP_MKNOD CAP_KILL CAP_SYS_PTRACE
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK AF_PACKET
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
KeyringMode=private
`

// socketBind lets a service listen on the TCP ports and no others.
func socketBind(ports ...int) string {
	text := "SocketBindDeny=any\n"
	for _, p := range ports {
		text += fmt.Sprintf("SocketBindAllow=tcp:%s\n", strconv.Itoa(p))
	}
	return text
}
