// Writes standard input's zstd stream: original OPTION=VALUE...
package main

import (
	"bytes"
	"io"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	values := map[string]string{}
	for _, option := range os.Args[1:] {
		parts := strings.SplitN(option, "=", 2)
		values[parts[0]] = parts[1]
	}
	number := func(name string) int {
		value, err := strconv.Atoi(values[name])
		must(err)
		return value
	}
	levels := map[string]zstd.EncoderLevel{
		"fastest": zstd.SpeedFastest, "default": zstd.SpeedDefault,
		"better": zstd.SpeedBetterCompression, "best": zstd.SpeedBestCompression,
	}
	window := zstd.WithWindowSize(1 << number("window"))
	options := []zstd.EOption{
		zstd.WithEncoderLevel(levels[values["level"]]),
		window,
		zstd.WithEncoderConcurrency(number("concurrency")),
		zstd.WithEncoderCRC(values["checksum"] == "true"),
		zstd.WithZeroFrames(true),
		zstd.WithNoEntropyCompression(values["plain_literals"] == "true"),
		zstd.WithAllLitEntropyCompression(values["codes_all_literals"] == "true"),
	}
	if values["block"] == "17" && values["level"] == "fastest" {
		// A window that is set before the level leaves the size of blocks alone.
		options = append([]zstd.EOption{window}, options...)
	}
	if single, given := values["single_segment"]; given {
		options = append(options, zstd.WithSingleSegment(single == "true"))
	}
	plain, err := io.ReadAll(os.Stdin)
	must(err)
	writer, err := zstd.NewWriter(os.Stdout, options...)
	must(err)
	if values["form"] == "All" {
		_, err := os.Stdout.Write(writer.EncodeAll(plain, nil))
		must(err)
		return
	}
	if values["form"] == "SizedStream" {
		writer.ResetContentSize(os.Stdout, int64(len(plain)))
	}
	flushed := number("flushed_at")
	if flushed > len(plain) {
		flushed = len(plain)
	}
	_, err = writer.Write(plain[:flushed])
	must(err)
	if flushed > 0 && flushed < len(plain) {
		must(writer.Flush())
	}
	_, err = io.Copy(writer, bytes.NewReader(plain[flushed:]))
	must(err)
	must(writer.Close())
}
