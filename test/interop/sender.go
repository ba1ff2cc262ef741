// Sends what it reads to a socket, in one of the ways that programs have: closing both ways at once, or ending its own
// direction and printing the reply.
package main

import (
	"io"
	"log"
	"net"
	"os"
)

func main() {
	message, err := io.ReadAll(os.Stdin)
	check(err)
	connection, err := net.Dial("unix", os.Args[2])
	check(err)
	_, err = connection.Write(message)
	check(err)
	if os.Args[1] == "ask" {
		check(connection.(*net.UnixConn).CloseWrite())
		_, err = io.Copy(os.Stdout, connection)
		check(err)
	}
	check(connection.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
