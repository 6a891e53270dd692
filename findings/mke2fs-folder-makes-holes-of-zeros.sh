#!/usr/bin/env bash
# `mke2fs -d FOLDER` leaves blocks of zeros within a file unallocated: a file that was written in full
# becomes one with holes, in several extents, though the image has free room in one piece.
#
# A good guess would be that a fresh image holds each file as it stands in the folder, in one extent. So
# a file of the image is often in no single place of it, and the bytes of its extents are not those
# that a tar of the same folder has in a row.
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

{ head -c 65536 /dev/urandom; head -c 65536 /dev/zero; head -c 65536 /dev/urandom; } >"$work/folder/file"
echo "blocks of 512 bytes in the folder: $(stat -c %b "$work/folder/file")"
"$work/root/sbin/mke2fs" -q -t ext4 -b 4096 -d "$work/folder" "$work/image" 8M
described=$("$work/root/sbin/debugfs" -R "stat /file" "$work/image" 2>/dev/null)
blocks=$(sed -n 's/.*Blockcount: \([0-9]*\).*/\1/p' <<<"$described")
extents=$(sed -n '/^EXTENTS/,$p' <<<"$described" | tail -n +2)
echo "blocks of 512 bytes in the image: $blocks; extents: $extents"
[ "$(stat -c %b "$work/folder/file")" -ge 384 ] && [ "$blocks" = 256 ] && [[ $extents == *\(0-15\)*\(32-47\)* ]] ||
    { echo "the behaviour has changed" >&2; exit 1; }
