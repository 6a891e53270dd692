#!/usr/bin/env bash
# `mke2fs -d FOLDER` takes the block of a file's extent tree at the moment when its fifth extent begins,
# from the middle of the blocks that it is writing. So a stretch of a file that has no hole in it is
# broken in two, with a block of the file system in between, and everything behind is a block later.
#
# A good guess would be that in a fresh image only holes and the borders of block groups break a file,
# and that its extent tree lies before or behind it. Where a file of two releases gets one hole more,
# another stretch of it is broken, in a place where nothing changed.
# Seen with Debian's e2fsprogs 1.47.0-2+b2, whose packages are unpacked and not installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/root" "$work/folder"
(cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root e2fsprogs=1.47.0-2+b2 libext2fs2 libss2 libcom-err2)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet:$work/root/lib/$triplet
"$work/root/sbin/mke2fs" -V 2>&1 | head -1

# Stretches of 4 blocks with a hole of 2 behind each, and then one of 40: four stretches, or five.
stretches() { for _ in $(seq "$1"); do head -c 16384 /dev/urandom; head -c 8192 /dev/zero; done; head -c 163840 /dev/urandom; }
stretches 3 >"$work/folder/four"
stretches 4 >"$work/folder/five"
"$work/root/sbin/mke2fs" -q -t ext4 -O ^has_journal -b 4096 -d "$work/folder" "$work/image" 8M >/dev/null
extents() { "$work/root/sbin/debugfs" -R "stat /$1" "$work/image" 2>/dev/null | sed -n '/^EXTENTS/,$p' | tail -n +2; }
for file in four five; do echo "$file: $(extents "$file")"; done
# Whether the tree's block stands between two blocks of the file that follow each other in it.
splits() {
    extents five | python3 -c '
import re, sys
found = [[int(n) if n else None for n in e] for e in re.findall(r"\((\d+)(?:-(\d+))?\):(\d+)(?:-(\d+))?", sys.stdin.read())]
for (one, last, start, end), (first, _, behind, _) in zip(found, found[1:]):
    last, end = (one, start) if last is None else (last, end)
    if first == last + 1 and behind == end + 2:
        print(f"blocks {last} and {first} of the file lie at {end} and {behind}", end + 1)'
}
tree=$(extents five | sed -n 's/.*(ETB0):\([0-9]*\).*/\1/p')
splits
! extents four | grep -q ETB && splits | grep -q " $tree\$" || { echo "the behaviour has changed" >&2; exit 1; }
