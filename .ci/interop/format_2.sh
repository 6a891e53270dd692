#!/usr/bin/env bash
# docs/format/index-2.md against the command, as format.sh does it for version 1: parts, ids, heads and signatures.
source "$(dirname "$0")/lib"

start_python
rewrite() { "$python" "$here/rewrite_index.py" "$@"; }

golden=$here/../../index/tests/golden/v2
check "format 2: the golden index" format_check --index "$golden/parts.rgx" "$golden/parts.statement"
check "format 2: the golden index with a block of codings" format_check --index "$golden/coded.rgx"
check "format 2: the golden index with patches that start from parts" format_check --index "$golden/patched.rgx"
check "format 2: the golden index with a zstd file" format_check --index "$golden/zstd.rgx"
check "format 2: coded stretches in one another" "$python" "$here/pieces.py"

disks=$here/../../sync/tests/golden/v2-disk-coded
for kind in gzip xz kept; do
    check "format 2: the golden disk image, $kind" format_check "$disks/$kind.rgx" "$disks/store" --coded
done

golden_patch=$here/../../patch/tests/golden/v2
check "format 2: the golden patch between parts" format_check --golden-patch "$golden_patch"
size=$(bytes_of "$golden_patch/old-to-new.patch")
for at in 16 48 120 130 140 $((size / 2)) $((size - 40)); do
    cp -r "$golden_patch" "$work/golden-patch"
    changed "$work/golden-patch/old-to-new.patch" "$at"
    check "format 2: a patch between parts is refused whose byte $at is another" \
        refuses format_check --golden-patch "$work/golden-patch"
    rm -r "$work/golden-patch"
done

# What an index states is signed by minisign and by OpenSSL.
minisign -G -W -p "$work/minisign.pub" -s "$work/minisign.key" >"$work/minisign.log"
openssl genpkey -algorithm ed25519 -out "$work/openssl.key"
openssl pkey -in "$work/openssl.key" -pubout -out "$work/openssl.pub"
# sign INDEX OUT [STATED]: with both keys, what STATED states, which is INDEX by default.
sign() {
    rewrite statement "${3:-$1}" "$work/statement"
    minisign -S -s "$work/minisign.key" -m "$work/statement" -x "$work/by-minisign" >"$work/minisign.log"
    openssl pkeyutl -sign -rawin -inkey "$work/openssl.key" -in "$work/statement" -out "$work/by-openssl"
    rewrite sign "$1" "$2" "$work/minisign.pub" "$work/by-minisign" "$work/openssl.pub" "$work/by-openssl"
}
sign "$golden/parts.rgx" "$work/signed.rgx"
check "format 2: signatures by minisign and OpenSSL" \
    format_check --signed "$work/signed.rgx" "$work/minisign.pub" "$work/openssl.pub"
check "format 2: signatures leave the statement as it was" \
    format_check --index "$work/signed.rgx" "$golden/parts.statement"
sign "$golden/coded.rgx" "$work/signed.rgx" "$golden/parts.rgx"
for key in minisign openssl; do
    check "format 2: a signature of another statement is refused, $key" \
        refuses format_check --signed "$work/signed.rgx" "$work/$key.pub"
done

# The format is shown with small chunks, which readers take where they are told to.
export REGROW_MIN_AVG_SIZE=1KiB
make_pair
make_2() { "$regrow" make --quiet --format 2 "$@"; }
check "format 2: make of OLD" make_2 --avg-size 1KiB "$work/old.rgx" "$work/old.tar"
check "format 2: make of NEW after it" make_2 "$work/new.rgx" "$work/new.tar"
check "format 2: OLD is read, cut and named the same" format_check "$work/old.rgx" "$work/store" "$work/old.tar"
check "format 2: NEW is made again without the image" format_check "$work/new.rgx" "$work/store"
check "format 2: a patch from OLD to NEW" "$regrow" patch --quiet "$work/old.rgx" "$work/new.rgx"
check "format 2: the patch makes the same" format_check --patch "$work/old.rgx" "$work/new.rgx" "$work/store"
check "format 2: NEW, which may announce the patch" format_check "$work/new.rgx" "$work/store" "$work/new.tar"

# What parts are.
for kind in $("$python" "$here/tars.py"); do
    "$python" "$here/tars.py" "$kind" "$work/$kind"
    make_2 --allow-partial "$work/$kind.rgx" "$work/$kind"
    check "format 2: $kind is read, cut and named the same" format_check "$work/$kind.rgx" "$work/store" "$work/$kind"
done
check "format 2: the image has parts" format_check "$work/layers.rgx" "$work/store" "$work/layers" --parts
check "format 2: coded files, made again without the image" format_check "$work/zipped.rgx" "$work/store" --coded
check "format 2: images in another order have parts in common" \
    format_check --common "$work/layers.rgx" "$work/other-order.rgx" 3
for kind in one-tar zipped whole-zipped whole-zipped-layers adjacent opaque-end; do
    check "format 2: $kind has a layer in common with others" \
        format_check --common "$work/layers.rgx" "$work/$kind.rgx" 1
done

# Disk images, cut by their stretches; and made again of what their compressed blocks hold.
mkdir "$work/tree"
cp -r "$here" "$here/../../docs" "$work/tree"
head -c 200000 /dev/urandom >"$work/tree/noise"
squash() { mksquashfs "$work/tree" "$work/$1" -quiet -no-progress -noappend -b 32K "${@:2}" >/dev/null; }
ext() { PATH=$PATH:/usr/sbin mke2fs -q -F -t ext4 -d "$work/tree" "$work/$1" 8M; }
qcow() { qemu-img convert -q -f raw -O qcow2 "${@:2}" "$work/ext4" "$work/$1"; }
if command -v mksquashfs >/dev/null && command -v qemu-img >/dev/null && ext ext4; then
    make_2 "$work/ext4.rgx" "$work/ext4"
    check "format 2: an ext4 is made again, cut and named the same" format_check "$work/ext4.rgx" "$work/store"
    squash gzip && squash gzip-window -comp gzip -Xcompression-level 4 -Xwindow-size 11 && squash xz -comp xz
    squash xz-bcj -comp xz -Xbcj x86,arm -Xdict-size 50% && qcow qcow2-zlib -c && qcow qcow2-old -c -o compat=0.10,cluster_size=4K
    for kind in gzip gzip-window xz xz-bcj qcow2-zlib qcow2-old; do
        make_2 "$work/$kind.rgx" "$work/$kind"
        check "format 2: the blocks of $kind are made again without the image" \
            format_check "$work/$kind.rgx" "$work/store" --coded
    done
    squash lz4 -comp lz4 -Xhc && qcow qcow2-zstd -c -o compression_type=zstd
    for kind in lz4 qcow2-zstd; do
        make_2 "$work/$kind.rgx" "$work/$kind"
        check "format 2: $kind is read, cut and named the same" \
            format_check "$work/$kind.rgx" "$work/store" "$work/$kind" --coded
    done
    rewrite change "$work/gzip.rgx" "$work/changed.rgx" "codings' last byte"
    check "format 2: a disk image is refused whose codings' last byte is another" \
        refuses format_check "$work/changed.rgx" "$work/store"
else
    echo "passed over: disk images need mksquashfs, mke2fs and qemu-img"
fi

# Version 1 and version 2 share a store.
check "format 2: make by format 1 in the same store" "$regrow" make --quiet --format 1 "$work/first.rgx" "$work/layers"
check "format 2: an index of version 1 in the same store" format_check "$work/first.rgx" "$work/store" "$work/layers"

# The command reads a head that was written here.
sign "$work/layers.rgx" "$work/signed.rgx"
check "format 2: a signed image" format_check "$work/signed.rgx" "$work/store" "$work/layers"
# trusted INDEX: extracts what both keys signed.
trusted() {
    rm -f "$work/out"
    "$regrow" extract --quiet --store "$work/store" --catalog "$work/catalog" --threshold 2 \
        --key "$work/minisign.pub" --key "$work/openssl.pub" "$1" "$work/out" && cmp "$work/out" "$work/layers"
}
check "format 2: the command takes what was signed here" trusted "$work/signed.rgx"
rewrite change "$work/signed.rgx" "$work/changed.rgx" counter
check "format 2: the command refuses a counter that is another" refuses trusted "$work/changed.rgx"
for key in minisign openssl; do
    check "format 2: a counter that is another is not signed, $key" \
        refuses format_check --signed "$work/changed.rgx" "$work/$key.pub"
done

# What the command signs is read here, with what was signed here before.
"$regrow" key new --quiet "$work/own.key"
"$regrow" sign --quiet --key "$work/own.key" --key "$work/openssl.key" --channel example.org/app/stable --counter 7 \
    "$work/layers.rgx"
check "format 2: what the command signed" \
    format_check --signed "$work/layers.rgx" "$work/own.key.pub" "$work/openssl.pub"
sign "$work/layers.rgx" "$work/signed.rgx"
check "format 2: what the command and others signed" \
    format_check --signed "$work/signed.rgx" "$work/own.key.pub" "$work/openssl.pub" "$work/minisign.pub"
check "format 2: the command takes what it and others signed" trusted "$work/signed.rgx"

# One bit that is another, under checksums that hold, is refused.
for field in "image's hash" "image's SHA-256" "image id" "wrapper's id" "part's name" "part's id" "segment's id" \
    "pack's id" "codings' last byte"; do
    rewrite change "$work/zipped.rgx" "$work/changed.rgx" "$field"
    check "format 2: an index is refused whose $field is another" \
        refuses format_check "$work/changed.rgx" "$work/store" "$work/zipped"
done
for pack in $(find "$work/store/packs" -name '*.pack' | head -2); do
    cp "$pack" "$work/kept.pack"
    printf '\377' | dd of="$pack" bs=1 seek=40 conv=notrunc status=none
    check "format 2: a pack is refused with a byte that is another" \
        refuses format_check "$work/layers.rgx" "$work/store" "$work/layers"
    cp "$work/kept.pack" "$pack"
done
check "format 2: what is refused has a reason" have_reasons
