// Passes standard input through klauspost's zstd: klauspost LEVEL FORM. FORM is "stream", "all" for EncodeAll, or "flushes" for
// a flush after each million bytes.
package main

import (
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	known, level := zstd.EncoderLevelFromString(os.Args[1])
	if !known {
		panic("no such level")
	}
	encoder, err := zstd.NewWriter(os.Stdout, zstd.WithEncoderLevel(level))
	check(err)
	switch os.Args[2] {
	case "stream":
		_, err = io.Copy(struct{ io.Writer }{encoder}, os.Stdin)
		check(err)
		check(encoder.Close())
	case "flushes":
		for {
			_, err = io.CopyN(struct{ io.Writer }{encoder}, os.Stdin, 1_000_000)
			if err == io.EOF {
				break
			}
			check(err)
			check(encoder.Flush())
		}
		check(encoder.Close())
	case "all":
		plain, err := io.ReadAll(os.Stdin)
		check(err)
		_, err = os.Stdout.Write(encoder.EncodeAll(plain, nil))
		check(err)
	}
}
