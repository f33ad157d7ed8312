"""Servers on loopback that answer with parts of files, and badly where a test wants that."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

CHUNK = 256 * 1024
"""Bytes of a part, in these tests."""


@dataclass(frozen=True)
class Asked:
    """A request, as a server saw it."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """An answer. `cut` ends the connection after so many bytes of the body, whatever was announced."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


Answer = Callable[[Asked], Reply]


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def ranged(asked: Asked, body: bytes, *, tag: str | None = None) -> Reply:
    """What a server that knows ranges and ETags answers for a file."""
    tag = etag(body) if tag is None else tag
    headers = {"etag": tag, "accept-ranges": "bytes"} if tag else {"accept-ranges": "bytes"}
    if asked.headers.get("if-match", tag).strip('"') != tag.strip('"'):
        return Reply(412)
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", ""))
    if found is None:
        return Reply(200, body, headers)
    begin, end = int(found[1]), min(int(found[2]), len(body) - 1)
    if begin >= len(body):
        return Reply(416, b"", {"content-range": f"bytes */{len(body)}"})
    return Reply(206, body[begin : end + 1], {**headers, "content-range": f"bytes {begin}-{end}/{len(body)}"})


@dataclass
class Server:
    """A server that runs, and what it was asked."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0
    """Bytes of bodies."""
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that answers like this until the end of the block, by https with a context for it."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply("GET")

        def do_HEAD(self) -> None:
            self._reply("HEAD")

        def do_POST(self) -> None:
            self._reply("POST")

        def _reply(self, method: str) -> None:
            parts = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            asked = Asked(unquote(parts.path), query, headers, method, body)
            with lock:
                server.asked.append(asked)
            reply = answer(asked)
            body = reply.body if reply.cut is None else reply.body[: reply.cut]
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if method != "HEAD":
                with lock:
                    server.sent += len(body)
                self.wfile.write(body)
            if reply.cut is not None:
                self.close_connection = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (BrokenPipeError, ConnectionResetError):  # a client that is killed, or has seen enough
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Quick(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    with Quick(("127.0.0.1", 0), Handler) as running:
        server = Server(running.server_port, scheme="https" if tls is not None else "http")
        if tls is not None:
            running.socket = tls.wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            running.shutdown()
            thread.join()


def files(content: Mapping[str, bytes]) -> Answer:
    """Files by their paths."""

    def answer(asked: Asked) -> Reply:
        body = content.get(asked.path)
        return Reply(404) if body is None else ranged(asked, body)

    return answer


def bucket(name: str, objects: Mapping[str, bytes], *, page: int = 1000, login: str = "Credential=key/") -> Answer:
    """The part of S3 that reading needs, for who signs as `key`. Google's XML interface is the same."""

    def answer(asked: Asked) -> Reply:
        if login not in asked.headers.get("authorization", ""):
            return Reply(403, b"<Error><Code>AccessDenied</Code></Error>")
        if asked.path.rstrip("/") == f"/{name}" and asked.query.get("list-type") == "2":
            return _listed(objects, asked.query, page)
        body = objects.get(asked.path.removeprefix(f"/{name}/"))
        if body is None:
            return Reply(404, b"<Error><Code>NoSuchKey</Code></Error>")
        reply = ranged(asked, body)
        return Reply(reply.status, reply.body, {**reply.headers, "last-modified": "Mon, 02 Mar 2026 09:00:00 GMT"})

    return answer


def _listed(objects: Mapping[str, bytes], query: Mapping[str, str], page: int) -> Reply:
    keys = sorted(key for key in objects if key.startswith(query.get("prefix", "")))
    begin = int(query.get("continuation-token", "0"))
    rows = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key])}</Size><ETag>{escape(etag(objects[key]))}</ETag>"
        "<LastModified>2026-03-02T09:00:00.000Z</LastModified></Contents>"
        for key in keys[begin : begin + page]
    )
    more = begin + page < len(keys)
    token = f"<NextContinuationToken>{begin + page}</NextContinuationToken>" if more else ""
    head = f"<IsTruncated>{str(more).lower()}</IsTruncated><KeyCount>{len(keys)}</KeyCount>{token}"
    return Reply(200, f"<ListBucketResult>{head}{rows}</ListBucketResult>".encode())


def container(name: str, objects: Mapping[str, bytes]) -> Answer:
    """The part of Azure's blob storage that reading needs, for who signs for the account `acc`. Its lists have ETags
    without the quotes that they have in headers."""
    when = "<Last-Modified>Mon, 02 Mar 2026 09:00:00 GMT</Last-Modified>"

    def answer(asked: Asked) -> Reply:
        if not asked.headers.get("authorization", "").startswith("SharedKey acc:"):
            return Reply(403)
        if asked.path == f"/{name}" and asked.query.get("comp") == "list":
            rows = "".join(
                f"<Blob><Name>{escape(key)}</Name><Properties>{when}<Content-Length>{len(body)}</Content-Length>"
                f"<Content-Type>application/octet-stream</Content-Type>"
                f"<Etag>{etag(body)[1:-1]}</Etag></Properties></Blob>"
                for key, body in sorted(objects.items())
                if key.startswith(asked.query.get("prefix", ""))
            )
            document = f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker /></EnumerationResults>"
            return Reply(200, document.encode())
        body = objects.get(asked.path.removeprefix(f"/{name}/"))
        if body is None:
            return Reply(404)
        reply = ranged(asked, body)
        return Reply(reply.status, reply.body, {**reply.headers, "last-modified": "Mon, 02 Mar 2026 09:00:00 GMT"})

    return answer


def as_json(document: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"content-type": "application/json"})
