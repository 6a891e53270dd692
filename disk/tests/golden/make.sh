#!/usr/bin/env bash
# Makes the images of this folder: small ones of each format, each as a zlib stream. Their divisions, the .txt files, are
# written by `REGROW_WRITE_GOLDEN=1 cargo test -p regrow-disk --test images golden`. Both are promises: what is here stays
# as it is, and a new image gets a new name.
#   make.sh NAME...    makes images that are not there yet
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin
export SOURCE_DATE_EPOCH=1700000000 E2FSPROGS_FAKE_TIME=1700000000 MTOOLS_SKIP_CHECK=1
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
tree=$work/tree image=$work/image id=6d1f7a30-0f3c-4c7e-9d65-b2a6d05f1c17

mkdir -p "$tree/etc/deep/er" "$tree/usr"
seq 1 2000 >"$tree/etc/numbers"
seq 1 600 >"$tree/etc/deep/er/some"
seq 1 600 >"$tree/usr/same"
echo short >"$tree/usr/short"
: >"$tree/usr/empty"
head -c 1024 "$tree/etc/numbers" >"$tree/usr/block"
seq 5000 8000 >"$tree/zlast"
ln "$tree/zlast" "$tree/usr/link"
find "$tree" -exec touch -h -d @1700000000 {} +

squash() { mksquashfs "$tree" "$image" -quiet -no-progress -noappend -all-root -nopad "$@" >/dev/null; }
ext() { truncate -s "$1" "$image" && mke2fs -q -F -U "$id" -E "hash_seed=$id,root_owner=0:0" -d "$tree" "${@:2}" "$image"; }
erofs() { mkfs.erofs -T1700000000 "-U$id" --all-root "$@" "$image" "$tree" >/dev/null; }
qcow2() {
    ext 64K -t ext4 -b 1024 -O ^has_journal,^resize_inode -I 256 -N 24
    mv "$image" "$work/raw"
    qemu-img convert -q -f raw -O qcow2 "$@" "$work/raw" "$image"
}
fat() {
    rm "$tree/usr/link"
    truncate -s "$1" "$image" && mkfs.fat -i 12345678 --invariant "${@:2}" "$image" >/dev/null
    mcopy -s -m -Q -i "$image" "$tree/etc" "$tree/usr" "$tree/zlast" ::
}

make() {
    rm -f "$image"
    case $1 in
    ext2) ext 60K -t ext2 -b 1024 -I 128 -N 24 ;;
    ext4) ext 64K -t ext4 -b 1024 -O ^has_journal,^resize_inode -I 256 -N 24 ;;
    squashfs-gzip) squash -b 4096 ;;
    squashfs-plain) squash -b 8192 -noI -noD -noF -noX ;;
    squashfs-noi) squash -b 16384 -noI -no-exports ;;
    squashfs-xz) squash -b 16384 -comp xz ;;
    squashfs-lz4) squash -b 16384 -comp lz4 -Xhc ;;
    squashfs-zstd) squash -b 16384 -comp zstd ;;
    squashfs-lzo) squash -b 16384 -comp lzo ;;
    squashfs-lzo-fast) squash -b 4096 -comp lzo -Xalgorithm lzo1x_1_12 ;;
    squashfs-numbers)
        rm -r "$tree" && mkdir "$tree" && seq 1000 9000 >"$tree/numbers"
        touch -d @1700000000 "$tree"{,/*}
        squash -b 16384 -comp zstd
        ;;
    erofs) erofs ;;
    erofs-chunks) erofs --chunksize=4096 ;;
    erofs-lz4hc) erofs -zlz4hc ;;
    erofs-lz4hc-full) erofs -zlz4hc,12 -C16384 -Elegacy-compress ;;
    cpio) (cd "$tree" && find . -print0 | LC_ALL=C sort -z | cpio --quiet -0 -o -H newc --reproducible -R 0:0 >"$image") ;;
    bundle)
        ext 1100K -t ext4 -b 1024 -O ^has_journal,^resize_inode -I 256 -N 24
        mkdir "$work/bundle"
        mv "$image" "$work/bundle/rootfs.ext4"
        echo "filename=rootfs.ext4" >"$work/bundle/manifest.raucm"
        touch -d @1700000000 "$work/bundle"{,/*}
        tree=$work/bundle squash -b 16384
        ;;
    bundle-verity)
        ext 1100K -t ext4 -b 1024 -O ^has_journal,^resize_inode -I 256 -N 24
        mkdir "$work/bundle"
        mv "$image" "$work/bundle/rootfs.ext4"
        printf '[update]\ncompatible=golden\n\n[bundle]\nformat=verity\n\n[image.rootfs]\nfilename=rootfs.ext4\n' >"$work/bundle/manifest.raucm"
        openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -out "$work/cert" -subj /CN=golden -days 36500 2>/dev/null
        rauc bundle --cert "$work/cert" --key "$work/key" "$work/bundle" "$image" 2>/dev/null
        ;;
    qcow2-zlib) qcow2 -c -o cluster_size=4096 ;;
    qcow2-zstd) qcow2 -c -o cluster_size=8192,compression_type=zstd ;;
    qcow2-plain) qcow2 -o cluster_size=512,compat=0.10 ;;
    btrfs)
        truncate -s 1M "$work/raw"
        mkfs.btrfs -q -M -n 4096 -m single -U "$id" -r "$tree" --shrink "$work/raw" 2>/dev/null
        python3 "$here/btrfs.py" "$work/raw" "$image"
        ;;
    vmlinuz) python3 "$here/vmlinuz.py" "$tree/etc/numbers" "$image" ;;
    fat12) fat 60K -F 12 -s 1 -r 32 ;;
    gpt)
        fat 40K -F 12 -s 1 -r 32
        mv "$image" "$work/part"
        truncate -s 64K "$image"
        printf 'label: gpt\nlabel-id: %s\nfirst-lba: 6\ntable-length: 4\nstart=8, size=80, uuid=%s\n' "$id" "$id" | sfdisk --quiet --no-reread "$image"
        dd status=none if="$work/part" of="$image" bs=512 seek=8 conv=notrunc
        ;;
    esac
    python3 -c 'import sys, zlib; sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read(), 9))' <"$image" >"$here/$1.zlib"
}

for name; do
    [ -e "$here/$name.zlib" ] || (make "$name")
done
