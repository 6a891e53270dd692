#!/usr/bin/env python3
"""Measures what grows: releases, packs, files, holes, machines at once, and losses on the way.

    bench/scale.py [--small] [--folder DIR] CASE...

Each case makes its own images, runs the command, and prints a Markdown table: seconds of processor time, seconds of the
clock, and the peak of memory of each step. REGROW names the command. `--small` takes numbers that end in seconds each.

releases   1,000 releases of an image in one store: make, gc, verify, push. Is the 1,000th make as fast as the 10th?
patches    the same, with a patch from the last release each
packs      a store of 10,000 packs
files      an image of 1,000,000 files
sparse     an image of 200 GiB that is nearly all holes, and one with ext4 in it
fleet      200 machines that update at once, 50 ms away at 20 Mbit/s each (needs root and network namespaces)
loss       one machine, 100 ms away with 1 % of the packets lost, beside curl (needs root and network namespaces)
"""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import link

REGROW = shutil.which(os.environ.get("REGROW", "regrow")) or sys.exit("REGROW names no command")


class Bench:
    """A folder for a case, and the rows of its table."""

    def __init__(self, folder):
        self.folder = Path(folder)
        # No run knows anything of another case, nor of this machine's own images.
        os.environ["REGROW_STATE"] = str(self.folder / "state")

    def path(self, name):
        return str(self.folder / name)

    def heading(self, title):
        print(f"\n### {title}\n\n| step | processor, s | clock, s | memory, MB |\n|---|--:|--:|--:|", flush=True)

    def row(self, name, cost):
        print("| {} | {:.3f} | {:.3f} | {:.0f} |".format(name, *cost), flush=True)

    def run(self, *arguments):
        """Runs the command to its end. Its processor time, its time by the clock, and its peak of memory in MB."""
        return cost_of([REGROW, *arguments])

    def step(self, name, *arguments):
        cost = self.run(*arguments)
        self.row(name, cost)
        return cost

    def make(self, index, image, *options):
        return self.run("make", "--quiet", "--catalog", self.path("catalog"), *options, self.path(index), image)

    def extract(self, name, index, *options):
        """Extracts without anything that an earlier run remembers, and returns the output's path."""
        out = self.path("out")
        Path(out).unlink(missing_ok=True)
        catalog = tempfile.mktemp(prefix="catalog-", dir=self.folder)
        self.step(name, "extract", "--quiet", "--no-state", "--catalog", catalog, *options, self.path(index), out)
        return out


# A process's peak of memory begins with that of the one that started it, so a small one does that.
STARTER = """
import os, sys, time
began = time.monotonic()
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(status, usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss * 1024 / 1e6)
"""


def cost_of(command):
    started = [sys.executable, "-I", "-S", "-c", STARTER, *command]
    lines = subprocess.run(started, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    status, *cost = map(float, lines[-1].split())
    if status != 0:
        sys.exit(f"{' '.join(command[:8])}: status {status:.0f}")
    return tuple(cost)


class Tree:
    """A small application: text files, a few of which change from release to release."""

    def __init__(self, files, seed=1):
        self.random = random.Random(seed)
        letters = "abcdefghijklmnop"
        self.words = ["".join(self.random.choices(letters, k=self.random.randint(3, 9))) for _ in range(3000)]
        self.files = {f"app/{n % 20}/{n}": self.text(self.random.choice([2000, 8000, 30000])) for n in range(files)}

    def text(self, size):
        return " ".join(self.random.choices(self.words, k=size // 7)).encode()

    def edit(self, count=5):
        for name in self.random.sample(sorted(self.files), count):
            old, at = self.files[name], self.random.randrange(1500)
            self.files[name] = old[:at] + self.text(200) + old[at + self.random.randrange(400):]

    def write(self, path):
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name in sorted(self.files):
                info = tarfile.TarInfo(name)
                info.size = len(self.files[name])
                tar.addfile(info, io.BytesIO(self.files[name]))


def releases(bench, small, *options):
    last = 100 if small else 1000
    looked_at = [n for n in (100, 500, 1000) if n <= last]
    tree, image, costs = Tree(500), bench.path("image"), {}
    bench.heading(f"{last:,} releases of an image" + (f", with {' '.join(options)}" if options else ""))
    for number in range(1, last + 1):
        tree.edit()
        tree.write(image)
        costs[number] = bench.make(f"app-{number}.rgx", image, *options)
        if number in looked_at:
            housekeeping(bench, number)
    # Single runs differ by what else the machine does: the medians of nine neighbours say more.
    for middle in [10, *looked_at]:
        around = [costs[n] for n in range(middle - 4, middle + 5) if n in costs]
        costs[middle] = tuple(statistics.median(column) for column in zip(*around))
        bench.row(f"make, release {middle:,}", costs[middle])
    print(f"\nThe last make took {costs[last][0] / costs[10][0]:.2f} times the processor time of the 10th.")


def housekeeping(bench, number):
    indexes = [bench.path(f"app-{n}.rgx") for n in range(1, number + 1)]
    store = bench.path("store")
    bench.step(f"gc, {number:,} releases", "gc", "--quiet", "--store", store)
    bench.step(f"verify, {number:,} releases", "verify", "--quiet", "--store", store)
    bench.step(f"verify with their indexes, {number:,}", "verify", "--quiet", "--store", store, *indexes)
    for name, options in ("push", []), ("push --patches", ["--patches"]):
        to = bench.path("pushed")
        bench.step(f"{name}, {number:,} releases", "push", "--quiet", *options, *indexes, f"{to}/store")
        shutil.rmtree(to)


def patches(bench, small):
    releases(bench, small, "--patch-from", "last", "--patch-min-saving", "0")


def packs(bench, small):
    count, pack = (1000 if small else 10000), 32 << 10
    bench.heading(f"A store of {count:,} packs")
    noise = random.Random(2)
    image = bytearray(b"".join(noise.randbytes(pack) for _ in range(count)))
    path = bench.path("image")
    options = ["--allow-partial", "--pack-size", str(pack), "--avg-size", "4KiB"]
    for name in "image-1.rgx", "image-2.rgx":
        Path(path).write_bytes(image)
        bench.row(f"make {name}", bench.make(name, path, *options))
        for _ in range(10):
            image[noise.randrange(len(image))] ^= 1
    found = sum(len(files) for _, _, files in os.walk(bench.path("store/packs")))
    print(f"| ({found:,} packs) | | | |")
    bench.extract("extract, no seed", "image-1.rgx")
    bench.extract("extract, with a seed", "image-2.rgx", "--seed", path)
    housekeeping_of(bench, ["image-1.rgx", "image-2.rgx"])


def housekeeping_of(bench, indexes):
    store, indexes = bench.path("store"), [bench.path(index) for index in indexes]
    bench.step("gc", "gc", "--quiet", "--store", store)
    bench.step("gc --repack", "gc", "--quiet", "--repack", "--store", store)
    bench.step("verify", "verify", "--quiet", "--store", store, *indexes)
    bench.step("push", "push", "--quiet", *indexes, bench.path("pushed/store"))


def files(bench, small):
    count = 20_000 if small else 1_000_000
    bench.heading(f"An image of {count:,} files")
    for name, edited in ("image-1", 0), ("image-2", 100):
        write_files(bench.path(name), count, edited)
        options = ["--patch-from", "last"] if edited else []
        if edited:
            bench.row("make again, no patch", bench.make("again.rgx", bench.path("image-1")))
        bench.row(f"make {name} {' '.join(options)}", bench.make(f"{name}.rgx", bench.path(name), *options))
    bench.extract("extract, no seed", "image-2.rgx")
    bench.extract("extract, seed, chunks", "image-2.rgx", "--no-patch", "--seed", bench.path("image-1"))
    bench.extract("extract, seed, patch", "image-2.rgx", "--seed", bench.path("image-1"))
    bench.step("verify of the image", "verify", "--quiet", bench.path("image-2.rgx"), bench.path("image-2"))
    bench.step("verify of the store", "verify", "--quiet", "--store", bench.path("store"), bench.path("image-2.rgx"))
    # A folder takes a file system's block for each file.
    if count <= 100_000:
        os.mkdir(bench.path("tree"))
        subprocess.run(["tar", "xf", bench.path("image-1"), "-C", bench.path("tree")], check=True)
        bench.extract("extract, the folder as seed", "image-2.rgx", "--seed", bench.path("tree"))


def write_files(path, count, edited):
    """A ustar archive of files of 20 to 400 bytes, in which this many are not those of the first release."""
    dice, change = random.Random(3), max(1, count // edited) if edited else 0
    noise = dice.randbytes(1 << 20)
    with open(path, "wb", buffering=1 << 20) as out:
        for number in range(count):
            size, at = 20 + number * 7919 % 380, number * 104729 % ((1 << 20) - 400)
            body = b"%08d" % number + noise[at:at + size - 8]
            if change and number % change == 0:
                body = body[:-1] + b"!"
            head = bytearray(512)
            name = b"data/%03d/%03d/f%07d" % (number // 100_000, number // 1000 % 100, number)
            head[:len(name)] = name
            fields = b"0000644\0" b"0000000\0" b"0000000\0" b"%011o\0" b"14524770400\0" b"        " % len(body)
            head[100:100 + len(fields)] = fields
            head[156:157], head[257:265] = b"0", b"ustar\x0000"
            head[148:156] = b"%06o\0 " % sum(head)
            out.write(head + body + bytes(-len(body) % 512))
        out.write(bytes(1024))


def sparse(bench, small):
    size = (4 if small else 200) << 30
    for kind in ["raw", "ext4"] if shutil.which("mke2fs") else ["raw"]:
        bench.heading(f"An image of {size >> 30} GiB, {kind}")
        image, noise = bench.path(kind), random.Random(4)
        with open(image, "wb") as file:
            file.truncate(size)
            for _ in range(64 if kind == "raw" else 0):
                file.seek(noise.randrange(size >> 12) << 12)
                file.write(noise.randbytes(1 << 20)[:size - file.tell()])
        if kind == "ext4":
            tree = bench.path("tree")
            os.mkdir(tree)
            Tree(500).write(bench.path("tar"))
            subprocess.run(["tar", "xf", bench.path("tar"), "-C", tree], check=True)
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image], check=True)
        bench.row("make", bench.make(f"{kind}.rgx", image))
        out = bench.extract("extract, no seed", f"{kind}.rgx")
        bench.extract("extract, the same image as seed", f"{kind}.rgx", "--seed", image)
        bench.step("verify", "verify", "--quiet", bench.path(f"{kind}.rgx"), out)
        held = [os.stat(name).st_blocks * 512 / 1e6 for name in (image, out)]
        print(f"\nThe image takes {held[0]:.0f} MB of the disk, what was extracted {held[1]:.0f} MB.")


def pair(bench):
    """Two releases, published in the folder `site` with a patch, by casync too, and each as its own file."""
    tree = Tree(1000)
    for number in 1, 2:
        tree.write(bench.path(f"image-{number}"))
        options = ["--patch-from", "last"] if number == 2 else []
        bench.make(f"site/app-{number}.rgx", bench.path(f"image-{number}"), *options)
        if shutil.which("casync"):
            image, index = bench.path(f"image-{number}"), bench.path(f"site/{number}.caibx")
            store = bench.path("site/casync")
            subprocess.run(["casync", "make", "--store", store, index, image], check=True, stdout=subprocess.DEVNULL)
        tree.edit(40)


@contextlib.contextmanager
def origin(bench, line, server):
    """Serves the folder `site` from the origin's namespace, and yields its URL."""
    if server == "nginx":
        conf = bench.path("nginx.conf")
        Path(conf).write_text(
            f"daemon off; pid {bench.path('pid')}; error_log {bench.path('error.log')}; user root;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ access_log off; server {{ listen {link.ORIGIN}:8080; root {bench.path('site')}; }} }}\n")
        command = ["nginx", "-c", conf]
    else:
        command = [REGROW, "serve", "--listen", f"{link.ORIGIN}:8080", bench.path("site")]
    process = subprocess.Popen([*line.inside(None), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield f"http://{link.ORIGIN}:8080"
    finally:
        process.terminate()
        process.wait()


def fleet(bench, small):
    count = 20 if small else 200
    os.mkdir(bench.path("site"))
    pair(bench)
    ways = {"regrow, a patch": [], "regrow, chunks": ["--no-patch"]}
    servers = ["regrow serve"] + ["nginx"] * bool(shutil.which("nginx"))
    print(f"\n### {count} machines at once, 50 ms, 20 Mbit/s each\n")
    print("| origin | way | bytes sent | requests | packets lost | slowest, s |\n|---|---|--:|--:|--:|--:|", flush=True)
    for server in servers:
        for way in [*ways, "casync"] if shutil.which("casync") else ways:
            line = link.Link(count, 0.05, 20e6 / 8)
            with contextlib.closing(line), origin(bench, line, server) as url:
                began, machines = time.monotonic(), []
                for number in range(1, count + 1):
                    out, old = bench.path(f"out-{number}"), bench.path("image-1")
                    command = [REGROW, "extract", "--quiet", "--no-state", "--catalog", bench.path(f"cache-{number}"),
                               *ways.get(way, []), "--seed", old, f"{url}/app-2.rgx", out]
                    if way == "casync":
                        command = ["casync", "extract", "--store", f"{url}/casync", "--seed", old,
                                   f"{url}/2.caibx", out]
                    machines.append(subprocess.Popen([*line.inside(number), *command], stderr=subprocess.DEVNULL))
                failed = sum(machine.wait() != 0 for machine in machines)
                slowest = time.monotonic() - began
                sent, requests, lost = line.counts()
            print(f"| {server} | {way} | {sent:,} | {requests:,} | {lost:,} | {slowest:.1f} |"
                  + (f" {failed} failed" if failed else ""), flush=True)
            for number in range(1, count + 1):
                Path(bench.path(f"out-{number}")).unlink(missing_ok=True)
                Path(bench.path(f"cache-{number}")).unlink(missing_ok=True)


def loss(bench, small):
    os.mkdir(bench.path("site"))
    noise = random.Random(5)
    image = bytearray(noise.randbytes((2 if small else 20) << 20))
    for number in 1, 2:
        Path(bench.path(f"image-{number}")).write_bytes(image)
        bench.make(f"site/app-{number}.rgx", bench.path(f"image-{number}"), "--allow-partial")
        at = len(image) // 2
        image[at:at + len(image) // 4] = noise.randbytes(len(image) // 4)
    line = link.Link(1, 0.1, 50e6 / 8, loss=0.01)
    print("\n### One machine, 100 ms, 50 Mbit/s, 1 % of the packets lost\n")
    print("| run | fetched | requests | update, s | curl of as many bytes, s |\n|--:|--:|--:|--:|--:|", flush=True)
    times = []
    with contextlib.closing(line), origin(bench, line, "regrow serve") as url:
        for run in range(3 if small else 7):
            Path(bench.path("out")).unlink(missing_ok=True)
            command = [REGROW, "extract", "--json", "--no-state", "--catalog", bench.path(f"cache-{run}"),
                       "--seed", bench.path("image-1"), f"{url}/app-2.rgx", bench.path("out")]
            began = time.monotonic()
            report = json.loads(subprocess.run([*line.inside(1), *command], check=True, capture_output=True).stdout)
            update = time.monotonic() - began
            with open(bench.path("site/bytes"), "wb") as file:
                file.write(noise.randbytes(report["bytes_fetched"]))
            curl = cost_of([*line.inside(1), "curl", "-sSfo", "/dev/null", f"{url}/bytes"])[1]
            times.append((update, curl))
            print(f"| {run + 1} | {report['bytes_fetched']:,} | {report['requests']} | {update:.2f} | {curl:.2f} |",
                  flush=True)
    update, curl = (statistics.median(column) for column in zip(*times))
    print(f"\nBy the medians, an update takes {update / curl:.2f} times as long as curl.")


CASES = {case.__name__: case for case in (releases, patches, packs, files, sparse, fleet, loss)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--folder", help="where images and stores are made; the largest case takes 8 GB")
    parser.add_argument("case", nargs="+", choices=CASES)
    given = parser.parse_args()
    for case in given.case:
        with tempfile.TemporaryDirectory(prefix="regrow-scale-", dir=given.folder) as folder:
            CASES[case](Bench(folder), given.small)


if __name__ == "__main__":
    main()
