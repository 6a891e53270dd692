"""Processes that a check starts: each in a session of its own, and ended by its id."""

import os
import signal
import socket
import subprocess
import threading
import time

START_SECONDS = 120

# Those that run, for an end before the end.
_running = set()
_lock = threading.Lock()


def end_all():
    for child in list(_running):
        child.end()


class NotStarted(Exception):
    """A server ended, or did not listen in time; with the end of what it said."""


# Ports that were given: what gets one binds it only later.
_given = set()


def free_port():
    """A port that nothing listens on, and that was not given before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with _lock:
            if port not in _given:
                _given.add(port)
                return port


class Child:
    """A server that runs until `end`."""

    def __init__(self, command, folder, port, environment=None):
        self.log = folder / "output.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _running.add(self)
        try:
            self._wait_for(port)
        except BaseException:
            self.end()
            raise

    def _wait_for(self, port):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise NotStarted(f"ended with {self._process.returncode}: {self.said()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise NotStarted(f"does not listen: {self.said()}")

    def said(self):
        return self.log.read_text(errors="replace")[-600:]

    def end(self):
        """Ends the process, and what it started."""
        _running.discard(self)
        for sent, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 10)):
            try:
                os.killpg(self._process.pid, sent)
            except ProcessLookupError:
                pass
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
            if not self._group_lives():
                return

    def _group_lives(self):
        try:
            os.killpg(self._process.pid, 0)
            return True
        except ProcessLookupError:
            return False
