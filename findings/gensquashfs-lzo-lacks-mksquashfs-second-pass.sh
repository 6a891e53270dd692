#!/usr/bin/env bash
# `mksquashfs -comp lzo` sends what LZO's best algorithm writes through the library's optimiser, which changes
# single bytes and never a size. `gensquashfs -c lzo` uses the same library, algorithm and level by default, but
# no optimiser. So the blocks of both have the same sizes and hold the same bytes, but are not the same.
#
# A good guess would be that one library, one algorithm and one level make one stream, and that the options
# which a squashfs image states (here: none, so the defaults) say how its blocks were made.
# Seen with Debian's squashfs-tools 4.5.1-1, squashfs-tools-ng 1.2.0-1 and liblzo2 2.10-2, whose packages are
# unpacked and not installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/root" "$work/folder"
(cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root squashfs-tools=1:4.5.1-1 squashfs-tools-ng=1.2.0-1 \
    libsquashfs1=1.2.0-1 liblzo2-2=2.10-2 liblz4-1 libzstd1 zlib1g liblzma5 libselinux1 libpcre2-8-0 libbz2-1.0)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet:$work/root/lib/$triplet
"$work/root/usr/bin/mksquashfs" -version | head -1
"$work/root/usr/bin/gensquashfs" --version | head -1

# One file of one block: numbers, and a program.
{ seq 1 9000; head -c 60000 "$work/root/usr/bin/gensquashfs"; } >"$work/folder/file"
"$work/root/usr/bin/mksquashfs" "$work/folder" "$work/one" -comp lzo -no-fragments -all-root -quiet -no-progress >/dev/null
"$work/root/usr/bin/gensquashfs" -D "$work/folder" -c lzo -q "$work/other"
python3 - "$work/one" "$work/other" <<'P'
import struct, sys
blocks = []
for path in sys.argv[1:]:
    image = open(path, "rb").read()
    compressor, flags = struct.unpack("<H", image[20:22])[0], struct.unpack("<H", image[24:26])[0]
    inodes = struct.unpack("<Q", image[64:72])[0]
    print(f"compressor {compressor}, options {'stated' if flags & 0x400 else 'not stated'}, {inodes - 96} bytes of data")
    blocks.append(image[96:inodes])
one, other = blocks
differing = sum(a != b for a, b in zip(one, other))
print(f"{differing} bytes differ")
if len(one) != len(other) or not 0 < differing < len(one) // 10:
    sys.exit("the behaviour has changed")
P
