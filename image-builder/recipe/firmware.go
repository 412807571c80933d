package recipe

// firmware is what NICs and HBAs of servers ask their driver for. Those that
// are not here keep theirs in the device: Intel up to i40e, Broadcom bnxt_en,
// NVIDIA, Emulex, LSI and Broadcom HBAs and RAID. Packages for every machine
// that there is; the image keeps what its modules ask for.
//
// Microcode of processors is not here: the kernel takes it from in front of
// an initramfs only, and that of Intel's servers does not fit in there.
var firmware = []Package{
	{"firmware-bnx2", Base, "Broadcom 1 Gb (bnx2)"},
	{"firmware-bnx2x", Base, "Broadcom and QLogic 10 Gb (bnx2x)"},
	{"firmware-intel-misc", Base, "Intel 25 to 200 Gb (ice)"},
	{"firmware-misc-nonfree", Base, "Chelsio (cxgb4); the first Broadcom 1 Gb (tg3)"},
	{"firmware-qlogic", Base, "Marvell 10 to 100 Gb (qede), QLogic Fibre Channel (qla2xxx)"},
	{"firmware-realtek", Base, "Realtek 1 to 5 Gb (r8169)"},
}

// keepFirmware is asked for by the name of a part that the driver finds.
var keepFirmware = []Path{
	{"cxgb4/aq1202_fw.cld", "cxgb4: twisted pair of T5 and T6"},
	{"cxgb4/bcm8483.bin", "as above"},
	{"cxgb4/t[456]-config.txt", "cxgb4: how the device shares itself out"},
}
