package hardening

import "strings"

func journal() Control {
	files := always(func(*Target) []File {
		return []File{{Path: "/etc/systemd/journald.conf.d/cairn.conf", Text: "[Journal]\n" +
			"Storage=persistent\nCompress=yes\nSystemMaxUse=256M\nSystemMaxFileSize=32M\nRuntimeMaxUse=32M\n" +
			"MaxRetentionSec=90day\nForwardToSyslog=no\nForwardToWall=no\n"}}
	})
	return Control{
		ID: "journal", Title: "Logs survive a reboot and cannot fill the disk",
		Why:    "what happened before a crash is what one wants to know after it",
		Source: "SECURITY.md O9; CIS 6.1.1",
		Apply:  render(files), Check: rendered(files),
	}
}

// publicTime is asked when nothing else is configured and there is a way out.
const publicTime = "2.debian.pool.ntp.org"

func clock() Control {
	files := always(func(t *Target) []File {
		return []File{{Path: "/etc/chrony/chrony.conf", Text: chronyConfig(&t.Node)}}
	})
	return Control{
		ID: "clock", Title: "All nodes have the controller's time",
		Why:    "certificates and tokens have a time to live; logs of several nodes are read side by side",
		Source: "SECURITY.md O8; CIS 2.3",
		Apply:  render(files), Check: rendered(files),
	}
}

func chronyConfig(n *Node) string {
	var b strings.Builder
	if n.Has(Controller) {
		for _, server := range n.NTP {
			b.WriteString("server " + server + " iburst\n")
		}
		if len(n.NTP) == 0 && n.hasExternal() {
			b.WriteString("pool " + publicTime + " iburst\n")
		}
		b.WriteString("# Without anybody better, the controller's own clock is the cluster's.\n")
		b.WriteString("local stratum 10\nallow " + n.Management.Address.Masked().String() + "\n")
	} else {
		b.WriteString("server " + n.Controller.String() + " iburst\nport 0\n")
	}
	b.WriteString("bindaddress " + n.management().String() + "\n")
	b.WriteString("makestep 1 3\nrtcsync\ncmdport 0\ndriftfile /var/lib/chrony/chrony.drift\nmaxupdateskew 100\n")
	return b.String()
}
