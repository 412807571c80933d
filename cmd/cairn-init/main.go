// Command cairn-init is the first process of a machine that boots a Cairn
// image or is installed with one: what the initramfs has instead of cairn, so
// that what machines fetch from the network does not grow with the cloud.
package main

import (
	"context"

	"github.com/cairn-cloud/cairn/installer"
)

func main() {
	installer.Init(context.Background(), installer.Hooks{Render: installer.Render})
}
