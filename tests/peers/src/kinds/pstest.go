// Command pstest serves Google's in-process fake of Pub/Sub until it is told to end.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"cloud.google.com/go/pubsub/v2/pstest"
)

func main() {
	address := flag.String("addr", "127.0.0.1:0", "host:port to listen on")
	flag.Parse()
	server := pstest.NewServerWithAddress(*address)
	fmt.Println("listening on", server.Addr)
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	<-end
}
