"""A web server on 127.0.0.1 that fails in every way a download host does, on order, and counts what it sent."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK = 64 << 10


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered. Positions are bytes of the whole file, whatever range was asked for."""

    status: int = 200
    content: bytes | None = None  # other bytes than the route's
    cut: int | None = None  # close the connection here
    stall: int | None = None  # stop sending here, but stay connected
    ignore_range: bool = False
    length: int | None = None  # the lie told in Content-Length or Content-Range
    without_length: bool = False  # the end of the connection is the end of the file
    chunked: bool = False
    location: str | None = None
    retry_after: str | None = None
    etag: str | None = '"1"'
    content_type: str = "application/octet-stream"
    pause: float = 0.0  # seconds before each chunk


GOOD = Behaviour()


@dataclass
class Route:
    """A file and the behaviours of the requests to come; the last one stays."""

    content: bytes
    behaviours: list[Behaviour]
    requests: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


class Server:
    """Start with `serving()`; add files with `add`, and read from the returned route what was asked and sent."""

    def __init__(self, port: int):
        self.port, self.routes, self.closing = port, {}, threading.Event()

    def add(self, path: str, content: bytes, *behaviours: Behaviour) -> Route:
        self.routes[path] = Route(content, list(behaviours) or [GOOD])
        return self.routes[path]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        server: Server = self.server.owner
        route = server.routes[self.path]
        route.requests.append({name.lower(): value for name, value in self.headers.items()})
        behaviour = route.behaviours.pop(0) if len(route.behaviours) > 1 else route.behaviours[0]
        content = route.content if behaviour.content is None else behaviour.content
        start = self._start(behaviour)
        if start is not None and start >= len(content) and behaviour.status == 200:
            behaviour = Behaviour(status=416)
        if behaviour.status != 200:
            self._refuse(behaviour)
            return
        self._send_head(behaviour, content, start)
        with contextlib.suppress(OSError):  # the client went away, or was killed
            self._send_body(server, route, behaviour, content, start or 0)

    def _start(self, behaviour: Behaviour) -> int | None:
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if not asked or behaviour.ignore_range or (condition and condition != behaviour.etag):
            return None
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def _refuse(self, behaviour: Behaviour) -> None:
        self.send_response(behaviour.status)
        if behaviour.location:
            self.send_header("Location", behaviour.location)
        if behaviour.retry_after:
            self.send_header("Retry-After", behaviour.retry_after)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def _send_head(self, behaviour: Behaviour, content: bytes, start: int | None) -> None:
        total = len(content) if behaviour.length is None else behaviour.length
        self.send_response(200 if start is None else 206)
        self.send_header("Content-Type", behaviour.content_type)
        self.send_header("Connection", "close")
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if behaviour.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not behaviour.without_length:
            self.send_header("Content-Length", str(total - (start or 0)))
        self.end_headers()

    def _send_body(self, server: Server, route: Route, behaviour: Behaviour, content: bytes, position: int) -> None:
        end = len(content) if behaviour.cut is None else behaviour.cut
        halt = end if behaviour.stall is None else min(end, behaviour.stall)
        while position < halt:
            chunk = content[position : min(position + CHUNK, halt)]
            if behaviour.pause:
                time.sleep(behaviour.pause)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if behaviour.chunked else chunk)
            position += len(chunk)
            route.sent += len(chunk)
        if behaviour.stall is not None and position >= behaviour.stall:
            server.closing.wait(30)
        elif behaviour.chunked and behaviour.cut is None:
            self.wfile.write(b"0\r\n\r\n")


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A running server; stalled answers end when it does."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.owner = Server(http.server_address[1])
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield http.owner
    finally:
        http.owner.closing.set()
        http.shutdown()
        http.server_close()
        thread.join()


def dead_url() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/x.bin"
