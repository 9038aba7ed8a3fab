"""A mirror on loopback with HTTP ranges, and with faults on order."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Mirror:
    """Files by name, what was asked for, and what goes wrong.

    ``cut`` is how many bytes each of the next answers is cut after; ``statuses`` are given instead of answers;
    ``claims`` is a length that is announced whatever the file's.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    claims: int | None = None
    ranges: bool = True
    version: str = '"1"'
    url: str = ""

    @property
    def ranges_asked(self) -> list[str | None]:
        return [wanted for _, wanted in self.asked]


def serve(mirror: Mirror) -> ThreadingHTTPServer:
    """Start it; ``shutdown()`` and ``server_close()`` end it."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Quietly."""

        def do_GET(self) -> None:
            mirror.asked.append((self.path, self.headers.get("Range")))
            if mirror.statuses:
                self.send_error(mirror.statuses.pop(0))
                return
            content = mirror.files.get(self.path.removeprefix("/"))
            if content is None:
                self.send_error(404)
                return
            start = 0
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range", mirror.version) == mirror.version
            if wanted and mirror.ranges and same:
                start = int(wanted[1])
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            length = len(content) - start if mirror.claims is None else mirror.claims
            self.send_header("Content-Length", str(length))
            self.send_header("ETag", mirror.version)
            self.end_headers()
            end = start + mirror.cut.pop(0) if mirror.cut else len(content)
            self.wfile.write(content[start:end])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    mirror.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server
