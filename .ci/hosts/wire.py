"""A relay that counts: it stands between a client and a server, and writes down each request and its answer."""

import asyncio
import re
import threading
import time
from dataclasses import dataclass, field

PIECE = 64 << 10
# A wire on which nothing moved for so long is at rest; how long that is waited for.
REST_SECONDS, MOST_SECONDS = 0.4, 60


@dataclass
class Exchange:
    """One request, and what came back for it. `body_bytes` counts what passed, whether the client read it or not."""

    method: str
    path: str
    range: str
    connection: int = 0
    status: int = 0
    head: str = ""
    body_bytes: int = 0


@dataclass
class _Talk:
    """One connection: the request that is being answered, and the head of its answer as far as it came."""

    number: int
    asked: bytes = b""
    answered: bytes | None = b""
    exchange: Exchange | None = None
    due: float = 0.0


@dataclass
class Wire:
    """Relays to `target` (a port of this machine), at most `rate` bytes a second to the client for each connection."""

    target: int
    rate: int = 0
    port: int = 0
    exchanges: list = field(default_factory=list)

    def __post_init__(self):
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._connections = 0
        self._moved = time.monotonic()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def take(self):
        """What passed since the last call."""
        with self._lock:
            taken, self.exchanges = self.exchanges, []
        return taken

    def rest(self):
        """Waits until nothing moves: a cache may go on with its origin when its client has what it wanted."""
        until = time.monotonic() + MOST_SECONDS
        while time.monotonic() < min(until, self._moved + REST_SECONDS):
            time.sleep(0.05)

    def end(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self, ready):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._relay, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _relay(self, client_in, client_out):
        try:
            server_in, server_out = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            client_out.close()
            return
        self._connections += 1
        talk = _Talk(self._connections)
        up = asyncio.ensure_future(self._copy(client_in, server_out, talk, self._note_request))
        down = asyncio.ensure_future(self._copy(server_in, client_out, talk, self._note_answer))
        # A server that closes has said all; a client that closes its sending half may still read.
        try:
            await asyncio.wait({down})
        except asyncio.CancelledError:
            # The relay ends.
            return
        finally:
            for task in (up, down):
                task.cancel()
            client_out.close()
            server_out.close()

    async def _copy(self, source, sink, talk, note):
        try:
            while piece := await source.read(PIECE):
                self._moved = time.monotonic()
                note(talk, piece)
                sink.write(piece)
                await sink.drain()
                if note == self._note_answer:
                    await self._hold_back(talk, len(piece))
            if note == self._note_request:
                sink.close()
        except OSError:
            # The other side sees the end when both connections are closed.
            sink.close()

    async def _hold_back(self, talk, passed):
        if not self.rate:
            return
        now = self._loop.time()
        talk.due = max(talk.due, now) + passed / self.rate
        if talk.due - now > 0.01:
            await asyncio.sleep(talk.due - now)

    def _note_request(self, talk, piece):
        talk.asked += piece
        while b"\r\n\r\n" in talk.asked:
            head, talk.asked = talk.asked.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            method, path = (lines[0].split(" ") + ["", ""])[:2]
            asked = re.search(r"^range: *(.*)$", "\n".join(lines), re.I | re.M)
            talk.exchange = Exchange(method, path, asked.group(1) if asked else "", talk.number)
            talk.answered = b""
            with self._lock:
                self.exchanges.append(talk.exchange)

    def _note_answer(self, talk, piece):
        if talk.exchange is None:
            return
        if talk.answered is None:
            talk.exchange.body_bytes += len(piece)
            return
        talk.answered += piece
        if b"\r\n\r\n" in talk.answered:
            head, body = talk.answered.split(b"\r\n\r\n", 1)
            talk.answered = None
            talk.exchange.head = head.decode("latin-1")
            status = re.match(r"HTTP/\S+ (\d+)", talk.exchange.head)
            talk.exchange.status = int(status.group(1)) if status else 0
            talk.exchange.body_bytes = len(body)
