#!/usr/bin/env bash
# Chromium shows the page of `diff --html`: it fetches nothing, runs nothing, and has what the report says.
source "$(dirname "$0")/lib"

if ! command -v chromium >/dev/null && ! "$here/../apt" chromium; then
    echo "passed over: the page of diff --html in Chromium, which is not there" | tee -a "$results"
    exit
fi

# The pair, in which one path would be markup if the page let it.
mkdir -p "$work/tree"
name="$work/tree/<img src=x onerror=document.title='broken'>&amp;"
seq 20000 >"$work/tree/numbers"
tar -cf "$work/old.tar" -C "$work" tree
head -c 300000 /dev/urandom >"$name"
seq 21000 >"$work/tree/numbers"
tar -cf "$work/new.tar" -C "$work" tree
"$regrow" make --quiet "$work/old.rgx" "$work/old.tar"
"$regrow" make --quiet "$work/new.rgx" "$work/new.tar"
check "html: diff writes the page" \
    "$regrow" diff --quiet --html "$work/cost.html" --old "$work/old.tar" --new "$work/new.tar" "$work/old.rgx" "$work/new.rgx"

browse() {
    timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" --virtual-time-budget=5000 \
        "$@" "file://$work/cost.html" 2>>"$work/browser.log"
}

shows() {
    browse --enable-logging=stderr --dump-dom >"$work/dom.html" || return 1
    # The name is text: once in the table, and once in each map's rectangle. Entities are written as Chromium writes them.
    grep -q '&lt;img src=x onerror=' "$work/dom.html" || return 1
    ! grep -q '<img' "$work/dom.html" && grep -q '<title>What an update' "$work/dom.html"
}

# The content security policy reports in the console what it refuses; a page that asks for nothing has no report.
is_quiet() { ! grep -iE 'Content Security Policy|Refused to|net::ERR' "$work/browser.log"; }

draws() {
    browse --window-size=1280,1600 "--screenshot=$work/$1.png" ${2:+"$2"} && [ "$(bytes_of "$work/$1.png")" -gt 20000 ]
}

differs() { ! cmp -s "$work/light.png" "$work/dark.png"; }

check "html: Chromium shows the path as text" shows
check "html: nothing is fetched or refused" is_quiet
check "html: it is drawn in light" draws light
check "html: it is drawn in dark" draws dark --force-dark-mode
check "html: light and dark differ" differs
[ -z "${HTML_KEEP:-}" ] || cp "$work"/*.png "$work/cost.html" "$HTML_KEEP"
