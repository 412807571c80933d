// Package fetch downloads what a client of the cloud names by a URL, behind a
// fence: a client must not be able to use the controller to reach what only
// the controller can reach.
//
//   - Schemes, ports and hosts are those of the configuration, checked for the
//     first address and for every redirect.
//   - Addresses are checked where the connection is made, after names were
//     resolved: a name that changes its mind between two questions, another
//     way of writing a number, an IPv4 address inside an IPv6 one are all the
//     same to it.
//   - No proxy, no cookie, no credential, nothing unpacked on the way.
//   - Size, time as a whole and time without a byte are bounded.
//
// It imports cloud only.
package fetch
