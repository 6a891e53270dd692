"""The flows whose power is cut: what is there before, the command, and what must hold in each state."""

import os
import subprocess

import images

MIB = 1 << 20
SMALL = ["--avg-size", "4KiB", "--pack-size", "64KiB"]


class Fault(Exception):
    """A state that regrow does not cope with."""


def run(regrow, arguments, cwd, codes=(0,)):
    """Runs the command below test in the folder `work` of a state, and nothing of the user's surroundings with it."""
    top = os.path.dirname(cwd)
    env = {"PATH": os.environ["PATH"], "HOME": top, "XDG_CACHE_HOME": f"{top}/cache", "TMPDIR": f"{top}/scratch"}
    env["REGROW_STATE"] = f"{top}/state"
    done = subprocess.run([regrow, *arguments], cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode not in codes:
        message = done.stderr.decode(errors="replace").strip()
        raise Fault(f"regrow {' '.join(arguments)}: exit code {done.returncode}: {message}")
    return done


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def listing(folder):
    """All files below a folder, relative to it."""
    found = []
    for above, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(above, name), folder) for name in names]
    return sorted(found)


class Flow:
    """One command. `work` is the folder that it runs in."""

    name = ""
    needs_device = False
    avg = SMALL

    def __init__(self, regrow):
        self.regrow = regrow
        tree = images.files("power", 40, 60_000)
        self.old, self.new = images.tar(tree, 4), images.tar(images.changed(tree), 5)

    def run(self, arguments, work, codes=(0,)):
        return run(self.regrow, arguments, work, codes)

    def make(self, work, name, image, *more):
        write(f"{work}/{name}.tar", image)
        self.run(["make", "-q", *self.avg, *more, f"{name}.rgx", f"{name}.tar"], work)

    def prepare(self, work):
        """Writes what is there before the command."""
        raise NotImplementedError

    def command(self, work):
        """The command's arguments."""
        raise NotImplementedError

    def remember(self, work):
        """Looks at what a run that was not cut leaves."""

    def close(self):
        """Ends what `prepare` began."""

    def check(self, work):
        """Raises a fault where a state, or the next run in it, is not as it should be."""
        raise NotImplementedError


class Publishing(Flow):
    """Flows that write a store: each index that is there works, and the next run makes all of it."""

    store = "store"
    indexes = {"old.rgx": "old", "app.rgx": "new"}
    """Of each index that may be there, the image that it has; the command's own may be absent, or have that of before."""
    before = {"old.rgx"}

    def prepare(self, work):
        self.make(work, "old", self.old)
        write(f"{work}/app.tar", self.new)

    def remember(self, work):
        self.objects = {name: read(f"{work}/{self.store}/{name}") for name in self.held(work)}

    def held(self, work):
        """Packs and patches under their final names."""
        return [name for name in listing(f"{work}/{self.store}") if name.startswith(("packs/", "patches/"))]

    def check(self, work):
        for name in self.before:
            if not os.path.exists(f"{work}/{name}"):
                raise Fault(f"{name} is gone")
        self.check_indexes(work, complete=False)
        for name in self.held(work):
            if read(f"{work}/{self.store}/{name}") != self.objects.get(name):
                raise Fault(f"{name} is not complete under its name")
        self.run(self.command(work), work)
        self.check_indexes(work, complete=True)

    def check_indexes(self, work, complete):
        """Each index that is there verifies, and yields its image."""
        there = [name for name in self.indexes if os.path.exists(f"{work}/{name}")]
        if complete and set(there) != set(self.indexes):
            raise Fault(f"of {sorted(self.indexes)} there are {there}")
        if there:
            self.run(["verify", "-q", "--store", self.store, *there], work)
        for name in there:
            self.run(["extract", "-q", "--store", self.store, name, "check.out"], work)
            found = read(f"{work}/check.out")
            os.remove(f"{work}/check.out")
            allowed = self.allowed(name, complete)
            if found not in allowed:
                raise Fault(f"{name} yields another image")

    def allowed(self, name, complete):
        image = getattr(self, self.indexes[name])
        return [image] if complete or name in self.before and name != "app.rgx" else [self.old, self.new]


class MakeNew(Publishing):
    name = "make, a new store"
    store = "srv/deep/store"
    indexes = {"app.rgx": "new"}
    before = set()

    def prepare(self, work):
        write(f"{work}/app.tar", self.new)

    def command(self, work):
        return ["make", "-q", *SMALL, "--store", self.store, "app.rgx", "app.tar"]


class MakeUpdate(Publishing):
    name = "make, an update under the same name"
    before = {"old.rgx", "app.rgx"}

    def prepare(self, work):
        super().prepare(work)
        self.make(work, "app", self.old)
        write(f"{work}/app.tar", self.new)

    def command(self, work):
        return ["make", "-q", *SMALL, "app.rgx", "app.tar"]


class MakePatch(Publishing):
    name = "make with a patch"

    def __init__(self, regrow):
        super().__init__(regrow)
        tree = images.files("patched", 15, 40_000)
        self.old, self.new = images.tar(tree, 4), images.tar(images.changed(tree), 5)

    def command(self, work):
        return ["make", "-q", *SMALL, "--patch-from", "old.rgx", "--old", "old.tar", "app.rgx", "app.tar"]


class Push(Publishing):
    name = "push to a folder"
    store = "usb/site/store"
    indexes = {"usb/site/app.rgx": "new", "usb/site/old.rgx": "old"}
    before = set()

    def prepare(self, work):
        self.make(work, "old", self.old)
        self.make(work, "app", self.new, "--patch-from", "old.rgx", "--old", "old.tar")
        os.makedirs(f"{work}/usb")

    def command(self, work):
        return ["push", "-q", "--patches", "old.rgx", "app.rgx", self.store]

    def allowed(self, name, complete):
        return [getattr(self, self.indexes[name])]


class Collect(Publishing):
    """Deletes the packs that an index needed that is gone, and rewrites others."""

    name = "gc with repacking"
    indexes = {"app.rgx": "new"}
    before = {"app.rgx"}

    def prepare(self, work):
        third = images.tar(images.files("third", 30, 40_000), 4)
        for name, image in (("third", third), ("old", self.old), ("app", self.new)):
            self.make(work, name, image)
        os.remove(f"{work}/third.rgx")
        os.remove(f"{work}/old.rgx")

    def remember(self, work):
        """Packs before and after are held under their names."""
        self.objects = {name: read(f"{work}/{self.store}/{name}") for name in self.held(work)}

    def command(self, work):
        return ["gc", "-q", "--store", self.store, "--keep", "app.rgx", "--grace", "0s", "--repack"]

    def check(self, work):
        self.check_indexes(work, complete=True)
        self.run(self.command(work), work)
        self.check_indexes(work, complete=True)


class Extracting(Flow):
    """Flows that rebuild an image as a file: it is the old one or the new one, and nothing stays beside it."""

    seeds = []

    def prepare(self, work):
        self.make(work, "app", self.new)
        os.remove(f"{work}/app.tar")
        write(f"{work}/seed.tar", self.old)
        write(f"{work}/to/out.tar", self.old)

    def command(self, work):
        return ["extract", "-q", *self.seeds, "app.rgx", "to/out.tar"]

    def check(self, work):
        if not os.path.exists(f"{work}/to/out.tar"):
            raise Fault("the output is gone")
        found = read(f"{work}/to/out.tar")
        if found not in (self.old, self.new):
            raise Fault("the output is neither the old image nor the new one")
        if found == self.new:
            self.run(["verify", "-q", "app.rgx", "to/out.tar"], work)
        self.run(self.command(work), work)
        if read(f"{work}/to/out.tar") != self.new:
            raise Fault("the next run yields another image")
        left = [name for name in os.listdir(f"{work}/to") if name != "out.tar"]
        if left:
            raise Fault(f"beside the output lie {left}")


class ExtractFile(Extracting):
    name = "extract to a file"


class ExtractSeed(Extracting):
    name = "extract to a file, with a seed and a cache"
    seeds = ["--seed", "seed.tar", "--cache", "kept"]


class ExtractHost(Extracting):
    """Fetches a patch, and what that does not give, from a host, and keeps both."""

    name = "extract to a file, from a host with a patch"
    server = None

    def prepare(self, work):
        host = f"{os.path.dirname(os.path.dirname(work))}/host"
        site = f"{host}/site"
        os.makedirs(site)
        os.makedirs(f"{host}/scratch")
        self.make(site, "old", self.old)
        self.make(site, "app", self.new, "--patch-from", "old.rgx", "--old", "old.tar")
        serve = [self.regrow, "serve", site, "--listen", "127.0.0.1:0"]
        self.server = subprocess.Popen(serve, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.url = self.server.stderr.readline().decode().split()[-1]
        write(f"{work}/app.rgx", read(f"{site}/app.rgx"))
        write(f"{work}/seed.tar", self.old)
        write(f"{work}/to/out.tar", self.old)

    def command(self, work):
        more = ["--seed", "seed.tar", "--cache", "kept", "--timeout", "300"]
        return ["extract", "-q", *more, f"{self.url}app.rgx", "to/out.tar"]

    def close(self):
        if self.server:
            self.server.kill()
            self.server.communicate()


class ExtractGzip(Extracting):
    name = "extract to a file, gzip layers"

    def __init__(self, regrow):
        super().__init__(regrow)
        tree = images.files("gzip", 25, 40_000)
        self.old, self.new = images.oci(tree, 4), images.oci(images.changed(tree), 5)


class InPlace(Flow):
    """Writes over a file: it is a mixture until the run is complete, but does not look like the new image."""

    name = "extract in place, a file"
    avg = ["--avg-size", "16KiB", "--pack-size", "256KiB"]

    def __init__(self, regrow):
        super().__init__(regrow)
        tree = images.files("in place", 60, 500_000)
        self.old, self.new = images.tar(tree, 4), images.tar(images.changed(tree), 5)
        assert len(self.new) > 2 * MIB

    def prepare(self, work):
        self.make(work, "app", self.new)
        os.remove(f"{work}/app.tar")
        write(f"{work}/seed.tar", self.old)
        self.begin(work)

    def begin(self, work):
        write(f"{work}/to/out", self.old)

    def output(self, work):
        return f"{work}/to/out"

    def command(self, work):
        return ["extract", "-q", "--in-place", "--seed", "seed.tar", "app.rgx", self.output(work)]

    def found(self, work):
        return read(self.output(work))

    def check(self, work):
        found = self.found(work)
        if self.cut(found) != self.new and found[:MIB] == self.new[:MIB]:
            raise Fault("what is not the new image begins with its first MiB")
        self.run(self.command(work), work)
        if self.cut(self.found(work)) != self.new:
            raise Fault("the next run yields another image")
        self.run(["verify", "-q", "app.rgx", self.verified(work)], work)

    def cut(self, found):
        return found

    def verified(self, work):
        return self.output(work)


class InPlaceDevice(InPlace):
    """The same on a block device that is larger than the image."""

    name = "extract in place, a block device"
    needs_device = True
    device = None

    def begin(self, work):
        with open(self.device, "r+b") as device:
            device.write(self.old)
            os.fsync(device.fileno())

    def output(self, work):
        return self.device_of(work)

    def device_of(self, work):
        """Each worker has a device of its own, named in a file beside the state."""
        note = f"{os.path.dirname(work)}/device"
        return read(note).decode() if os.path.exists(note) else self.device

    def cut(self, found):
        return found[: len(self.new)]

    def verified(self, work):
        write(f"{work}/copy", self.cut(self.found(work)))
        return f"{work}/copy"


FLOWS = [
    MakeNew, MakeUpdate, MakePatch, Push, Collect,
    ExtractFile, ExtractSeed, ExtractHost, ExtractGzip, InPlace, InPlaceDevice,
]


def identity(state):
    """What tells a state from others. The hash of bytes that are not changed is computed once."""
    return hash(tuple((path, kind, data, mode) for path, (kind, data, mode) in sorted(state.items())))
