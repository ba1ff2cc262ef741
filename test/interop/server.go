// Reads every connection to its end, tells the length and hash of what came, and answers nothing.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"os"
)

func main() {
	path := os.Args[1]
	os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer connection.Close()
			message, err := io.ReadAll(connection)
			if err != nil {
				log.Print(err)
				return
			}
			fmt.Printf("%d %x\n", len(message), sha256.Sum256(message))
		}()
	}
}
