#!/usr/bin/env bash
# Signatures that minisign and openssl make and check, and the keys of a machine.
source "$(dirname "$0")/lib"

cd "$work"
head -c 3000000 "$regrow" >image
"$regrow" make -q --format 2 app.rgx image
verify() { "$regrow" verify -q --state "$work/state" --key "$1" app.rgx; }
# refused COMMAND...: whether it ends as it does where an image or a key is not taken.
refused() {
    local code=0
    "$@" 2>/dev/null || code=$?
    ((code == 2 || code == 3))
}

# Our keys and signatures, checked by others.
echo 'a password' >password
check "sign: a key with a password" "$regrow" key new -q --password-file password ours.key
check "sign: a signature by it" "$regrow" sign -q --password-file password --key ours.key --channel ci --counter 7 --expires 30 app.rgx
check "sign: it is needed" refused env REGROW_KEY_PASSWORD=wrong "$regrow" key show ours.key
check "sign: it may be in the environment" env REGROW_KEY_PASSWORD='a password' "$regrow" key show ours.key
"$regrow" sign --print app.rgx >statement
"$regrow" sign -q --password-file password --key ours.key --detached ours.minisig app.rgx
check "sign: minisign -V accepts it" minisign -V -q -p ours.key.pub -x ours.minisig -m statement
check "sign: so does verify" verify ours.key.pub
check "sign: minisign signs by our key" sh -c 'minisign -S -s ours.key -m statement -x theirs.minisig <password >/dev/null 2>&1'
check "sign: and that holds" "$regrow" sign -q --attach theirs.minisig --public ours.key.pub app.rgx

# Keys of others.
for legacy in "" -l; do
    rm -f its.key its.pub
    minisign -G -W -f -p its.pub -s its.key >/dev/null
    check "sign: minisign -S $legacy" minisign -S $legacy -s its.key -m statement -x its.minisig
    check "sign: what it signed is attached" "$regrow" sign -q --attach its.minisig --public its.pub app.rgx
    check "sign: and trusted" verify its.pub
done
openssl genpkey -algorithm ed25519 -out hsm.key
openssl pkey -in hsm.key -pubout -out hsm.pem
check "sign: openssl signs" openssl pkeyutl -sign -rawin -inkey hsm.key -in statement -out hsm.sig
check "sign: what it signed is attached" "$regrow" sign -q --attach hsm.sig --public hsm.pem app.rgx
check "sign: and trusted" verify hsm.pem
base64 -w0 hsm.sig >hsm.base64
check "sign: in base64 too" "$regrow" sign -q --attach hsm.base64 --public hsm.pem app.rgx
"$regrow" sign -q --key hsm.key --detached ours.sig app.rgx
check "sign: openssl pkeyutl -verify accepts ours" \
    openssl pkeyutl -verify -rawin -pubin -inkey hsm.pem -sigfile ours.sig -in statement
check "sign: all keys together" "$regrow" verify -q --state "$work/state" --threshold 3 --key ours.key.pub --key its.pub --key hsm.pem app.rgx

# The keys of a machine, in a mount namespace with an /etc of its own.
in_etc() {
    unshare --mount sh -ec '
        mount -t tmpfs -o mode=755 tmpfs /etc
        mkdir -p /etc/regrow/keys.d
        cp "$1" /etc/regrow/keys.d/
        chmod "$2" /etc/regrow/keys.d
        shift 2
        exec "$@"' sh "$@"
}
extracts=("$regrow" extract -q --state "$work/state" --catalog "$work/catalog" app.rgx out)
check "sign: a key in /etc/regrow/keys.d is used" in_etc ours.key.pub 755 "${extracts[@]}"
cp password password.pub
check "sign: a file that is no key refuses everything" refused in_etc password.pub 755 "${extracts[@]}"
"$regrow" key new -q other.key
check "sign: nor is an image taken that others signed" refused in_etc other.key.pub 755 "${extracts[@]}"
check "sign: nor are keys used that others can write" refused in_etc ours.key.pub 777 "${extracts[@]}"
