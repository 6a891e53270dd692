// Writes standard input's gzip stream: original gzip|pgzip LEVEL BLOCK_BYTES
package main

import (
	"io"
	"log"
	"os"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/pgzip"
)

func main() {
	level, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	blockBytes, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	var writer io.WriteCloser
	if os.Args[1] == "pgzip" {
		blocks, err := pgzip.NewWriterLevel(os.Stdout, level)
		if err != nil {
			log.Fatal(err)
		}
		if err := blocks.SetConcurrency(blockBytes, 2); err != nil {
			log.Fatal(err)
		}
		writer = blocks
	} else if writer, err = gzip.NewWriterLevel(os.Stdout, level); err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(writer, os.Stdin); err != nil {
		log.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		log.Fatal(err)
	}
}
