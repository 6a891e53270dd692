#!/usr/bin/env python3
"""Cuts the power of regrow's flows at each moment: records what a run does to files, rebuilds states that a cut could
leave, and checks each of them.

    run.py REGROW [FLOW]...

POWER_STATES: states of each flow, 500 by default. POWER_SEED: another choice of states. A FLOW is a part of its name.
Needs strace; devices need root and loop devices, and are passed over elsewhere. The last line counts.
"""

import collections
import concurrent.futures
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import flows
from model import FileSystem
from record import record
from replay import Replay

WORKERS = 2
# Rounds over all moments that bring no state that is new, after which there are no more.
FRUITLESS_ROUNDS = 5
# States of one moment that were seen before, after which the next moment is looked at.
KNOWN_IN_A_ROW = 20
SHOWN = 5


class Devices:
    """Loop devices, one for the recording and one for each worker."""

    def __init__(self, folder, bytes_each):
        self.paths = []
        for number in range(WORKERS + 1):
            backing = f"{folder}/device-{number}"
            with open(backing, "wb") as file:
                file.truncate(bytes_each)
            shown = subprocess.run(["losetup", "--find", "--show", backing], capture_output=True, check=True)
            self.paths.append(shown.stdout.decode().strip())

    def release(self):
        for path in self.paths:
            subprocess.run(["losetup", "--detach", path], check=False)


def devices_for(flow, folder):
    """The devices of a flow that needs them; raises where there are none."""
    return Devices(folder, (len(flow.new) // flows.MIB + 2) * flows.MIB) if flow.needs_device else None


def recorded(flow, folder, devices):
    """The model before the command, and the calls of the command."""
    work = f"{folder}/root/work"
    for name in ("work", "scratch", "cache"):
        os.makedirs(f"{folder}/root/{name}")
    flow.prepare(work)
    paths = devices.paths[:1] if devices else []
    model = FileSystem(f"{folder}/root", paths)
    env = {"PATH": os.environ["PATH"], "HOME": f"{folder}/root", "XDG_CACHE_HOME": f"{folder}/root/cache"}
    env["TMPDIR"], env["REGROW_STATE"] = f"{folder}/root/scratch", f"{folder}/root/state"
    calls = record([flow.regrow, *flow.command(work)], f"{folder}/log", cwd=work, env=env, stdin=subprocess.DEVNULL)
    os.remove(f"{folder}/log")
    flow.remember(work)
    return model, Replay(model, work), calls


def states(replay, calls, wanted, seed):
    """Distinct states, spread over all moments: yields the number of the call that they follow, and the state."""
    chance, seen, fruitless = random.Random(seed), set(), 0
    shares = weights(copy.deepcopy(replay), calls)
    while len(seen) < wanted and fruitless < FRUITLESS_ROUNDS:
        now, before = copy.deepcopy(replay), len(seen)
        for number, call in enumerate(calls):
            if not now.take(call):
                continue
            known = 0
            for _ in range(int(max(wanted, 300) * shares[number] + chance.random())):
                state = now.fs.crash(chance)
                key = flows.identity(state)
                known = known + 1 if key in seen else 0
                if known > KNOWN_IN_A_ROW or len(seen) == wanted:
                    break
                if known == 0:
                    seen.add(key)
                    yield number, state
        fruitless = 0 if len(seen) > before else fruitless + 1


def weights(replay, calls):
    """The share of the states that each call's moment gets. Most is pending right before a sync or a rename."""
    moments = [number for number, call in enumerate(calls) if replay.take(call)]
    after = dict(zip(moments, [calls[number].name for number in moments[1:]] + ["fsync"]))
    heavy = {number: 10 if name.startswith(("fsync", "fdatasync", "rename")) else 1 for number, name in after.items()}
    return {number: weight / sum(heavy.values()) for number, weight in heavy.items()}


def materialise(state, folder, device):
    """Writes a state to disk."""
    for path, (kind, data, mode) in sorted(state.items()):
        at = os.path.join(folder, path)
        if kind == "folder":
            os.makedirs(at, exist_ok=True)
        elif kind == "link":
            os.symlink(data, at)
        elif kind == "device":
            with open(device, "r+b") as file:
                file.write(data)
                os.fsync(file.fileno())
            flows.write(f"{folder}/device", device.encode())
        else:
            flows.write(at, data)
            os.chmod(at, mode)


class Worker(threading.local):
    """Numbers the threads, so that each has a device."""

    count, lock = 0, threading.Lock()

    def __init__(self):
        with Worker.lock:
            Worker.count += 1
            self.number = Worker.count


def check_one(flow, folder, state, worker, devices):
    """The fault of a state, or none."""
    root = tempfile.mkdtemp(prefix="state-", dir=folder)
    try:
        for name in ("work", "scratch", "cache"):
            os.makedirs(f"{root}/{name}", exist_ok=True)
        device = devices.paths[1 + worker.number % WORKERS] if devices else None
        materialise(state, root, device)
        flow.check(f"{root}/work")
        return None
    except flows.Fault as fault:
        return str(fault).replace(root, "")
    finally:
        shutil.rmtree(root)


def check_flow(flow, folder, devices, wanted, seed):
    """Numbers of states that passed and that failed; prints the kinds of faults."""
    model, replay, calls = recorded(flow, folder, devices)
    del model
    worker, faults, done, waiting = Worker(), collections.Counter(), 0, collections.deque()
    first = {}

    def collect(number, future):
        fault = future.result()
        if fault:
            faults[fault] += 1
            first.setdefault(fault, number)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for number, state in states(replay, calls, wanted, seed):
            waiting.append((number, pool.submit(check_one, flow, folder, state, worker, devices)))
            done += 1
            if len(waiting) > 2 * WORKERS:
                collect(*waiting.popleft())
        for item in waiting:
            collect(*item)
    for fault, count in faults.most_common(SHOWN):
        call = calls[first[fault]]
        print(f"    {count} times, first after {call.name} (call {first[fault]} of {len(calls)}): {fault}")
    return done, sum(faults.values()), len(calls)


def place():
    """Where states lie: in memory, if there is room."""
    memory = "/dev/shm"
    return memory if os.path.isdir(memory) and shutil.disk_usage(memory).free > 1 << 30 else None


def main():
    regrow, asked = os.path.abspath(sys.argv[1]), sys.argv[2:]
    wanted, seed = int(os.environ.get("POWER_STATES", "500")), os.environ.get("POWER_SEED", "power")
    passed = failed = 0
    for kind in flows.FLOWS:
        flow = kind(regrow)
        if asked and not any(word in flow.name for word in asked):
            continue
        with tempfile.TemporaryDirectory(prefix="regrow-power-", dir=place()) as folder:
            begun, devices = time.monotonic(), None
            try:
                devices = devices_for(flow, folder)
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"passed over: {flow.name}: no loop device: {error}")
                continue
            try:
                if devices:
                    flow.device = devices.paths[0]
                done, bad, calls = check_flow(flow, os.path.realpath(folder), devices, wanted, f"{seed} {flow.name}")
            finally:
                flow.close()
                if devices:
                    devices.release()
        seconds = time.monotonic() - begun
        print(f"{flow.name}: {done} states of {calls} calls, {bad} failed ({seconds:.0f} s)", flush=True)
        passed, failed = passed + done - bad, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
