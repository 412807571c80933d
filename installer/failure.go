package installer

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/slot"
)

// restartAfter is how long a failure stays on the console, and a little more,
// by chance: machines that fail together do not come back together.
const (
	restartAfter  = 60 * time.Second
	restartSpread = 30 * time.Second
)

// fail shows why the machine cannot go on, and restarts it after a while, or
// does what cairn.fail says.
func (m *machine) fail(err error) {
	if m.console == nil {
		m.console = initrd.OpenConsoles()
	}
	if m.log != nil {
		m.log.Error("cannot go on", "doing", m.doing, "error", err)
	}
	then := m.params.Get(plan.ParamFail)
	wait := (restartAfter + rand.N(restartSpread)).Round(time.Second)
	end := fmt.Sprintf("The machine restarts in %s; %s=wait on the kernel line keeps it here.", wait, plan.ParamFail)
	switch then {
	case "wait":
		end = "The machine waits here, as " + plan.ParamFail + " says."
	case "poweroff":
		end = "The machine powers off, as " + plan.ParamFail + " says."
	}
	m.console.Printf("%s", failureBlock(m.doing, err, end))
	var perr error
	switch then {
	case "wait":
	case "poweroff":
		perr = initrd.PowerOff()
	default:
		time.Sleep(wait)
		perr = initrd.Reboot()
	}
	if perr != nil {
		m.console.Printf("%v: %v", errPower, perr)
	}
	idle()
}

// failureBlock says in words what went wrong and what can be done.
func failureBlock(doing string, err error, end string) string {
	reason, remedy := explain(err)
	const width = 76
	rule := strings.Repeat("=", width)
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n  CAIRN CANNOT GO ON\n\n", rule)
	for _, row := range []struct{ key, text string }{{"while", doing}, {"reason", reason}, {"remedy", remedy}} {
		for i, line := range wrap(row.text, width-12) {
			key := ""
			if i == 0 {
				key = row.key
			}
			fmt.Fprintf(&b, "  %-8s%s\n", key, line)
		}
	}
	fmt.Fprintf(&b, "\n  %s\n%s", end, rule)
	return b.String()
}

// explain splits an error into what happened and what a person can do.
func explain(err error) (reason, remedy string) {
	var refusal *plan.Refusal
	var many *slot.ManyError
	var status *deployer.StatusError
	switch {
	case err == nil:
		return "the first process ended", "This is a fault of Cairn: please report it with the console's text"
	case errors.As(err, &refusal):
		return refusal.Reason, refusal.Remedy
	case errors.As(err, &many):
		return many.Error(), "Remove one of them, or name one with " + plan.ParamDisk + "=<disk or id> on the kernel line"
	case errors.Is(err, slot.ErrNone):
		return err.Error(), "Boot from the network or from the ISO to install this machine; if it was installed, check that its disk and its controller are seen by the firmware"
	case errors.Is(err, manifest.ErrSignature):
		return err.Error(), "The disk was written by another build, or changed: install it again from a medium of this build"
	case errors.As(err, &status) && status.Code == 401:
		return err.Error(), "The boot ticket is used up or too old: restart the machine from the network to get a new one"
	case errors.As(err, &status):
		return err.Error(), "Look at the machine on the deployer: its state and reason are there"
	case errors.Is(err, fs.ErrNotExist):
		return err.Error(), "The image or the disk lacks something that it should have: install it again"
	default:
		return err.Error(), "Restart the machine; if it stays, report it with the console's text"
	}
}

// wrap breaks text at blanks into lines of at most that many characters.
func wrap(text string, width int) []string {
	var lines []string
	for _, par := range strings.Split(text, "\n") {
		line := ""
		for _, w := range strings.Fields(par) {
			if line != "" && len(line)+1+len(w) > width {
				lines = append(lines, line)
				line = ""
			}
			line = strings.TrimPrefix(line+" "+w, " ")
		}
		lines = append(lines, line)
	}
	return lines
}
