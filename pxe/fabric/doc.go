// Package fabric says what the reports of a round of the fabric check mean:
// which VLAN is missing on which switch port, where large frames are lost,
// where tags change, who has somebody else's address, whose clock or link is
// unlike the others'.
//
// It is a function of values: it knows no machine and no network. It may
// import installer/plan.
package fabric
