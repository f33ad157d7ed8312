"""A web server for one file, with ranges, that costs little itself: the kernel copies the bytes (sendfile).

python tests/bench/_file_server.py FILE prints its port; /sent tells how many bytes of the file it has sent.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Answers with the file, or a part of it."""

    protocol_version = "HTTP/1.1"
    file: Path
    sent = 0
    lock = threading.Lock()

    def do_GET(self) -> None:
        if self.path == "/sent":
            body = str(Handler.sent).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        with self.file.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
            begin, end = (int(found[1]), min(int(found[2]) + 1, size)) if found else (0, size)
            self.send_response(206 if found else 200)
            self.send_header("etag", f'"{size}"')
            self.send_header("content-length", str(end - begin))
            if found:
                self.send_header("content-range", f"bytes {begin}-{end - 1}/{size}")
            self.end_headers()
            self.wfile.flush()
            try:
                while begin < end:
                    count = os.sendfile(self.connection.fileno(), file.fileno(), begin, min(end - begin, 1 << 24))
                    begin += count
                    with Handler.lock:
                        Handler.sent += count
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing: the benchmark has the standard output."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Clients are killed on purpose."""


def main() -> None:
    """Serve until killed."""
    Handler.file = Path(sys.argv[1])
    with Server(("127.0.0.1", 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
