package inventory

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// identity reads what the firmware says of the machine.
func (h Host) identity(inv *plan.Inventory) {
	inv.Machine = h.uuid()
	inv.Serial = h.dmi("product_serial")
	inv.Vendor = h.dmi("sys_vendor")
	inv.Product = h.dmi("product_name")
	inv.Board = h.dmi("board_name")
	inv.BIOS = h.dmi("bios_version")
	inv.AssetTag = h.dmi("chassis_asset_tag")
}

// fillers are what firmware has where its maker did not care, lower case.
var fillers = []string{
	"to be filled by o.e.m.", "to be filled by o.e.m", "not specified", "not applicable", "not available", "default string",
	"system manufacturer", "system product name", "system serial number", "system version", "base board serial number",
	"base board product name", "base board asset tag", "chassis serial number", "chassis asset tag", "asset tag",
	"no asset tag", "no asset information", "asset-1234567890", "no enclosure", "empty", "none", "n/a", "na", "null", "oem",
	"o.e.m.", "unknown", "undefined", "invalid", "serial number", "0123456789", "1234567890", "123456789", "0", "-", ".",
}

// dmi is one of the texts of the firmware, or empty where it says nothing.
func (h Host) dmi(name string) string {
	s := readLine(filepath.Join(h.Sys, "class/dmi/id", name))
	if slices.Contains(fillers, strings.ToLower(s)) || strings.Trim(s, "0xX.- ") == "" {
		return ""
	}
	return s
}

// sharedUUIDs are system UUIDs that whole series of boards have; package fleet
// of the deployer knows the same.
var sharedUUIDs = []string{
	"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
	"03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
}

// uuid is the machine's SMBIOS id in lower case, or empty where it is one
// that other machines have too.
func (h Host) uuid() string {
	s := strings.ToLower(h.dmi("product_uuid"))
	if slices.Contains(sharedUUIDs, s) {
		return ""
	}
	return s
}

// idFromMAC names a machine whose firmware does not.
func idFromMAC(inv plan.Inventory) string {
	mac := inv.BootMAC
	if mac == "" && len(inv.NICs) > 0 {
		mac = inv.NICs[0].MAC
	}
	return "mac-" + strings.ReplaceAll(mac, ":", "")
}

// tpm is the version of the machine's TPM, or empty.
func (h Host) tpm() string {
	switch readLine(filepath.Join(h.Sys, "class/tpm/tpm0/tpm_version_major")) {
	case "1":
		return "1.2"
	case "2":
		return "2.0"
	}
	return ""
}
