package plan

// Words that a rack.yaml may use.
const (
	ApproveAuto   = "auto"
	ApproveManual = "manual"

	DHCPServer = "server"
	DHCPProxy  = "proxy"

	FabricEnforce    = "enforce"
	FabricReportOnly = "report"
	FabricOff        = "off"

	PeersOn  = "on"
	PeersOff = "off"

	ChooseOnly     = "only"     // refuse several candidates
	ChooseSmallest = "smallest" // the first of them where two are alike
	ChooseLargest  = "largest"
	ChooseFirst    = "first"

	WipeNever  = "never"
	WipeCairn  = "cairn"
	WipeAlways = "always"

	CryptNone     = "none"
	CryptAuto     = "auto"
	CryptTPM      = "tpm"
	CryptDeployer = "deployer"

	UseVolumes = "volumes"
	UseObjects = "objects"
	UseImages  = "images"

	BondNone         = "none"
	BondActiveBackup = "active-backup"
	BondLACP         = "802.3ad"

	ProtocolRedfish = "redfish"
	ProtocolIPMI    = "ipmi"
)
