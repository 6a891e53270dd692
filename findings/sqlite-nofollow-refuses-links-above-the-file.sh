#!/usr/bin/env bash
# SQLITE_OPEN_NOFOLLOW reads like open(2)'s O_NOFOLLOW, which refuses a link as the last part of a
# path. SQLite refuses a link anywhere in it: a database below a linked home folder, or below /var/run,
# cannot be opened at all. It says "unable to open database file", as for one that is missing, and
# only the extended code (1550, SQLITE_CANTOPEN_SYMLINK) tells.
#
# A good guess would be the meaning that O_NOFOLLOW has. A tool that keeps a catalog in the user's
# cache folder and does not want links followed opens the folder first, or resolves its path.
# Seen with SQLite 3.50.4 (PyPI apsw 3.50.4.0).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check apsw==3.50.4.0
"$work/venv/bin/python" - "$(realpath "$work")" <<'PY'
import os, sys, apsw

print("SQLite", apsw.sqlite_lib_version())
os.chdir(sys.argv[1])
os.mkdir("home")
os.symlink("home", "linked")
os.symlink("home/catalog.db", "link.db")
FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_NOFOLLOW


def sqlite(path):
    try:
        apsw.Connection(os.path.abspath(path), flags=FLAGS).execute("create table if not exists t(x)")
        return "opened"
    except apsw.CantOpenError as error:
        return f"refused ({error}; extended code {error.extendedresult})"


def kernel(path):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOFOLLOW))
        return "opened"
    except OSError as error:
        return f"refused ({error.strerror})"


seen = {}
for path in ("home/catalog.db", "link.db", "linked/catalog.db"):
    seen[path] = sqlite(path), kernel(path)
    print(f"{path}: SQLITE_OPEN_NOFOLLOW {seen[path][0]}; O_NOFOLLOW {seen[path][1]}")
outcome = [[answer.split()[0] for answer in answers] for answers in seen.values()]
ok = outcome == [["opened", "opened"], ["refused", "refused"], ["refused", "opened"]]
sys.exit(0 if ok and "1550" in seen["linked/catalog.db"][0] else "the behaviour has changed")
PY
