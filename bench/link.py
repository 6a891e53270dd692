"""A slow link between network namespaces, for `scale.py fleet` and `scale.py loss`.

tc's netem does the same in the kernel, but many kernels are built without it. Here each namespace has a TUN device, and
a process carries the packets between them: late, at a limited rate, and not all of them. TCP sees real delay and loss.
It needs root.
"""

import ctypes
import fcntl
import heapq
import multiprocessing
import os
import random
import selectors
import struct
import subprocess
import time

ORIGIN = "10.78.0.1"
PREFIX = "regrow-scale-"
MTU = 1500
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
# A router's queue: packets that would wait for longer are dropped.
LONGEST_QUEUE = 0.4


def address(device):
    return f"10.77.{device >> 8}.{device & 255}"


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def tun(namespace):
    """Opens a new TUN device in a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}") as there, open("/proc/self/ns/net") as here:
        assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", b"far0", IFF_TUN | IFF_NO_PI))
        assert libc.setns(here.fileno(), CLONE_NEWNET) == 0
    return handle


class Link:
    """Namespaces of one origin and some devices, each device with a link of its own to the origin.

    `inside(None)` and `inside(device)` begin a command line that runs there. `counts()` returns the bytes and the HTTP
    requests that passed.
    """

    def __init__(self, devices, round_trip, bytes_per_second, loss=0.0):
        self.names = [PREFIX + "origin"] + [f"{PREFIX}{device}" for device in range(1, devices + 1)]
        self.close()
        for number, name in enumerate(self.names):
            ip("netns", "add", name)
        handles = [tun(name) for name in self.names]
        for number, name in enumerate(self.names):
            own = ORIGIN if number == 0 else address(number)
            for line in (["addr", "add", f"{own}/8", "dev", "far0"], ["link", "set", "far0", "mtu", str(MTU), "up"],
                         ["link", "set", "lo", "up"]):
                ip("-n", name, *line)
        self.totals = multiprocessing.Array("q", 3)
        work = (handles, round_trip / 2, bytes_per_second, loss, self.totals)
        self.process = multiprocessing.Process(target=carry, args=work, daemon=True)
        self.process.start()
        for handle in handles:
            os.close(handle)

    def inside(self, device):
        return ["ip", "netns", "exec", self.names[device or 0]]

    def counts(self):
        """The bytes that left the origin, the requests that reached it, and the packets that were lost."""
        return tuple(self.totals)

    def close(self):
        if getattr(self, "process", None):
            self.process.terminate()
            self.process.join()
        for name in self.names:
            if os.path.exists(f"/run/netns/{name}"):
                ip("netns", "del", name)


def carry(handles, delay, bytes_per_second, loss, totals):
    """Carries packets until the process ends."""
    picks = selectors.DefaultSelector()
    for number, handle in enumerate(handles):
        picks.register(handle, selectors.EVENT_READ, number)
    # The time at which the line of each device is free again, for both directions.
    free = [[0.0] * len(handles) for _ in range(2)]
    waiting, order, dice = [], 0, random.Random(1)
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, to, packet = heapq.heappop(waiting)
            try:
                os.write(handles[to], packet)
            except BlockingIOError:
                totals[2] += 1
        timeout = max(0.0, waiting[0][0] - now) if waiting else None
        for key, _ in picks.select(timeout):
            for _ in range(64):
                try:
                    packet = os.read(key.fd, MTU + 64)
                except BlockingIOError:
                    break
                if packet[0] >> 4 != 4:
                    continue
                is_down = key.data == 0
                device = packet[18] << 8 | packet[19] if is_down else key.data
                if not 0 < device < len(handles):
                    continue
                now = time.monotonic()
                line = free[is_down]
                sent = max(now, line[device]) + len(packet) / bytes_per_second
                if sent - now > LONGEST_QUEUE or dice.random() < loss:
                    totals[2] += 1
                    continue
                line[device] = sent
                totals[0] += len(packet) if is_down else 0
                totals[1] += 0 if is_down else is_request(packet)
                order += 1
                heapq.heappush(waiting, (sent + delay, order, device if is_down else 0, packet))


def is_request(packet):
    """Whether a TCP segment begins a request. Clients do not send a second one before the first is answered."""
    head = (packet[0] & 15) * 4
    if packet[9] != 6 or len(packet) < head + 20:
        return False
    data = packet[head + (packet[head + 12] >> 4) * 4:]
    return data.startswith((b"GET ", b"HEAD "))
