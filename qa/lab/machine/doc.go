// Package machine is a computer made of QEMU: processors, memory, disks,
// NICs, firmware, a serial console and a power button.
//
// Machines run under TCG, since the lab has to work where there is no KVM, or
// under KVM where somebody has found that it works. They need no root: NICs are plugged into ports of qa/lab/fabric or into
// QEMU's own user-mode network, and everything that a machine writes is in
// its directory. Its connections (NICs, serial line, control) are inherited
// socket pairs, so nobody else can open them.
//
// Only qa/lab and other tests of qa import it.
package machine
