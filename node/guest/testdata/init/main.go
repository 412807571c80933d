// The first program of the container that the tests run: it says who it is
// and ends when it is told to.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	fmt.Printf("container runs as %d, process %d\n", os.Getuid(), os.Getpid())
	<-told
}
