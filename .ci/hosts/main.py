"""Runs regrow with real servers and caches at the other end, and compares what is seen with the page's tables."""

import argparse
import concurrent.futures
import os
import shutil
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import caches
import children
import extracts
import look
import peers
import probe
import render
import static
import through

# A server mostly waits, and so does its client.
AT_ONCE = 3
PAGE = peers.HERE.parent.parent / "s3-docs" / "other-hosts.md"


@dataclass
class Table:
    """A table of the page: its peers, the function that looks at one, its columns."""

    peers: list
    look: object
    columns: list
    measured: list


TABLES = {
    "static": Table(static.SERVERS, look.at_static, render.STATIC, render.STATIC_MEASURED),
    "limited": Table(static.LIMITED, look.at_limited, render.LIMITED, render.LIMITED_MEASURED),
    "caches": Table(caches.CACHES, through.at_cache, render.CACHES, render.CACHES_MEASURED),
}


def look_at(table, peer, pair, places, number):
    """A row, or none, and what is wrong."""
    try:
        seen, faults = table.look(peer, pair, places, number)
        return {"name": peer.name, "version": peers.version_of(peer, places), **seen}, faults
    except children.NotStarted as why:
        return None, [f"{peer.name}: not started: {why}"]
    except Exception as error:  # One peer's trouble is no reason to look at no other.
        return None, [f"{peer.name}: {type(error).__name__}: {error}"]
    finally:
        # The images of all peers together would have gigabytes.
        for folder in places.work.glob(f"*-{number}"):
            shutil.rmtree(folder, ignore_errors=True)


def run_all(table, pair, places, given):
    chosen = [peer for peer in table.peers if given.only in peer.name]
    if given.lenient:
        for peer in [peer for peer in chosen if not peers.is_there(peer, places)]:
            print(f"passed over: {peer.name} is not installed", flush=True)
            chosen.remove(peer)
    rows, faults, lock = {}, [], threading.Lock()

    def one(number):
        rows[number], wrong = look_at(table, chosen[number], pair, places, number)
        with lock:
            print("\n".join([f"{'FAULT' if wrong else 'ok'}: {chosen[number].name}", *wrong]), flush=True)
            faults.extend(wrong)

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(len(chosen))))
    return [rows[number] for number in sorted(rows) if rows[number]], faults


def report(mark, rows, table, given):
    """Writes the page's table, or compares it; what is wrong."""
    page = PAGE.read_text()
    print(render.table(rows, table.columns + table.measured), flush=True)
    if given.write:
        order = [peer.name for peer in table.peers]
        PAGE.write_text(render.written(page, mark, rows, table.columns + table.measured, order))
        return []
    missing = [] if given.only or given.lenient else render.gone(page, mark, rows)
    return [*render.differences(page, mark, rows, table.columns), *(f"{name}: not seen" for name in missing)]


def parse():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("regrow", type=Path)
    arguments.add_argument("installed", type=Path)
    arguments.add_argument("tables", nargs="*", help=" ".join(TABLES))
    arguments.add_argument("--only", default="", help="peers whose name contains this")
    arguments.add_argument("--write", action="store_true", help="write the page's tables instead of comparing them")
    arguments.add_argument("--lenient", action="store_true", help="pass over programs that are not there")
    arguments.add_argument("--all", action="store_true", help="measure, too, what is not compared; --write does")
    return arguments.parse_intermixed_args()


def look_at_all(given, work):
    pair = extracts.Pair(given.regrow.resolve(), work, work / "www")
    pair.make()
    probe.prepare(pair.root)
    places = peers.Places(pair.root, given.installed / "venv", given.installed / "npm", pair.regrow, work)
    places.is_thorough = given.all or given.write
    origin, places.origin = peers.start(caches.ORIGIN, places, work / "origin")
    try:
        return look_at_tables(given, pair, places)
    finally:
        origin.end()


def look_at_tables(given, pair, places):
    looked, faults = 0, []
    for mark in given.tables or TABLES:
        rows, wrong = run_all(TABLES[mark], pair, places, given)
        looked += len(rows)
        faults += wrong + report(mark, rows, TABLES[mark], given)
    return looked, faults


def end_early(folder):
    """On a signal nothing is left behind, whatever the threads are at."""

    def end(number, _):
        children.end_all()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def main():
    given = parse()
    # Hosts here are on the loopback.
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        end_early(folder)
        work = Path(folder)
        work.chmod(0o755)
        os.environ["XDG_CACHE_HOME"] = str(work / "cache")
        os.environ["REGROW_STATE"] = str(work / "state")
        looked, faults = look_at_all(given, work)
    for line in faults:
        print(f"FAULT: {line}")
    print(f"{looked} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
