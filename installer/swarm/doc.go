// Package swarm lets machines that install at the same time fetch the chunks of
// root.img from each other, so that the deployer sends about one copy of it.
//
// Each machine serves what lies on its disk ([Swarm.Serve]), and tells the
// deployer what that is, which answers who has what and which chunks this
// machine is to fetch from the deployer itself. Chunks of others are not
// believed: they are written as they come, like the deployer's, and checked
// against the signed manifest where they lie. One that is wrong is fetched again
// from the deployer, and the peer that it came from is not asked again.
//
// A machine that is alone, or whose deployer says nothing, fetches everything
// from the deployer. The package may import installer/plan, installer/source and
// image-builder/manifest.
package swarm
