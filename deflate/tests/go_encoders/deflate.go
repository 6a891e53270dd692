// Deflates what it is given on standard input, request by request, with the compress/flate it is built with.
//
// A request is level, write size (0: all at once) and length, as 64-bit little-endian numbers, then the plain bytes.
// The answer is nanoseconds and length, then the stream.
package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"os"
	"time"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var request [3]int64
		err := binary.Read(in, binary.LittleEndian, &request)
		if err == io.EOF {
			return
		}
		check(err)
		plain := make([]byte, request[2])
		_, err = io.ReadFull(in, plain)
		check(err)
		var stream bytes.Buffer
		begin := time.Now()
		w, err := flate.NewWriter(&stream, int(request[0]))
		check(err)
		for len(plain) > 0 {
			n := len(plain)
			if size := int(request[1]); size > 0 && size < n {
				n = size
			}
			_, err = w.Write(plain[:n])
			check(err)
			plain = plain[n:]
		}
		check(w.Close())
		took := time.Since(begin).Nanoseconds()
		check(binary.Write(out, binary.LittleEndian, []int64{took, int64(stream.Len())}))
		_, err = out.Write(stream.Bytes())
		check(err)
		check(out.Flush())
	}
}
