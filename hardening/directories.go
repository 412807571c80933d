package hardening

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// Directories of Cairn's services. Those above are open to pass, not to list:
// each service reaches its own.
const (
	controllerState = StateDir + "/controller"
	operatorState   = StateDir + "/operator" // what the controller leaves for the operator
	brokerState     = StateDir + "/broker"
	deployState     = StateDir + "/deploy"
	deployOperator  = StateDir + "/deploy-operator" // what the deployer leaves for the operator
	secretsDir      = StateDir + "/secrets"

	// BrokerDefinitionsFile is where the controller writes what
	// [BrokerDefinitions] makes; the broker reads it at its start and when it
	// changes.
	BrokerDefinitionsFile = brokerState + "/definitions.json"
)

// A tree is a directory whose whole content belongs to one account.
type tree struct {
	path  string
	owner string
	mode  fs.FileMode
	roles []string
}

var trees = []tree{
	{"/var/lib/mysql", "mysql", 0o700, []string{Controller}},
	{"/var/lib/mysql-files", "mysql", 0o700, []string{Controller}},
	{"/var/lib/rabbitmq", "rabbitmq", 0o700, []string{Controller}},
	{"/var/log/rabbitmq", "rabbitmq", 0o700, []string{Controller}},
	{"/var/lib/chrony", "_chrony", 0o750, nil},
	{controllerState, controllerUser, 0o700, []string{Controller}},
	{operatorState, controllerUser, 0o750, []string{Controller}},
	{brokerState, controllerUser, 0o755, []string{Controller}},
	{deployState, deployUser, 0o700, []string{Controller}},
	{deployOperator, deployUser, 0o750, []string{Controller}},
}

func directories() Control {
	files := always(directoryFiles)
	return Control{
		ID: "directories", Title: "State belongs to the account that uses it, and to nobody else",
		Why:    "a service that is broken into must not read the secrets of the next; ids of packages may change with an image",
		Source: "SECURITY.md O11; Check-*-01, Check-*-02",
		Apply:  inOrder(render(files), openToRead, adoptTrees), Check: rendered(files),
	}
}

func directoryFiles(t *Target) []File {
	list := []File{
		{Path: StateDir, Mode: fs.ModeDir | 0o711},
		{Path: PKIDir, Mode: fs.ModeDir | 0o711},
		{Path: secretsDir, Mode: fs.ModeDir | 0o711},
		{Path: ConfigDir, Mode: fs.ModeDir | 0o755},
		{Path: "/var/log", Mode: fs.ModeDir | 0o755},
	}
	for _, d := range t.trees() {
		list = append(list, File{Path: d.path, Mode: fs.ModeDir | d.mode, Owner: d.owner})
	}
	return list
}

func (t *Target) trees() []tree {
	var list []tree
	for _, d := range trees {
		if t.Node.Has(d.roles...) {
			list = append(list, d)
		}
	}
	return list
}

// openToRead lets services read what the installer wrote for root and what is no
// secret: who the machine is, and the description of the rack.
func openToRead(_ context.Context, t *Target) error { return t.within(openPublic) }

func openPublic(root *os.Root) error {
	for _, file := range []string{StateDir + "/node.json", StateDir + "/rack.yaml", StateDir + "/release"} {
		info, err := root.Lstat(inRoot(file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.IsDir() {
			mode = 0o755
		}
		if err := root.Chmod(inRoot(file), mode); err != nil {
			return err
		}
	}
	return nil
}

// adoptTrees gives what is in a tree to its owner. That is a walk over some
// hundred files at most, which leaves out directories that are right already.
func adoptTrees(_ context.Context, t *Target) error {
	if os.Geteuid() != 0 {
		return nil // in a test: everything is ours
	}
	return t.within(t.adoptAll)
}

func (t *Target) adoptAll(root *os.Root) error {
	for _, d := range t.trees() {
		who, err := t.account(d.owner)
		if err != nil {
			return err
		}
		if err := adopt(root, inRoot(d.path), who); err != nil {
			return err
		}
	}
	return nil
}

func adopt(root *os.Root, dir string, who identifier) error {
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == who.uid && int(stat.Gid) == who.gid {
			continue
		}
		if err := root.Lchown(name, who.uid, who.gid); err != nil {
			return err
		}
		if info.IsDir() {
			if err := adopt(root, name, who); err != nil {
				return err
			}
		}
	}
	return nil
}
