"""HTTP for large bodies: parts of files straight into memory that is there already.

It runs on http.client, whose sockets read into a buffer of the caller: a client that hands out pieces of its own costs
more than the hash of the bytes. Addresses are not judged here as those of specifications are in the operator: this runs
in the user's namespace, with the user's identity, and what it may reach is a matter of that namespace's network
policies.
"""

from __future__ import annotations

import base64
import http.client
import json
import netrc
import os
import re
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from slipway.delivery.address import Address
from slipway.delivery.errors import (
    AddressError,
    Changed,
    Denied,
    Incomplete,
    MisconfiguredError,
    NotFound,
    Passing,
    Unsafe,
)
from slipway.delivery.listing import Buffer, Entry, Source
from slipway.delivery.pacing import seconds_asked
from slipway.delivery.redirects import LASTING, MAX_REDIRECTS, OVER, REDIRECTS, Targets, following, origin

CONNECT_SECONDS: Final = 10.0
"""For a connection to come about."""

SILENT_SECONDS: Final = 30.0
"""Longest that a connection may say nothing."""

MAX_DOCUMENT: Final = 32 * 1024 * 1024
"""Bytes of a document that is read whole, such as a manifest."""

PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that say nothing of what was asked for: the same question may be answered later."""

OTHER_NAME: Final = b"Invalid Host header"
"""What MLflow 3.5 and newer, and others, say with a 403 that is about the name of the server, and no credentials."""

_PIECE: Final = 1024 * 1024
_SAFE: Final = "/%?&=+,;:@!$'()*~"
_TEXT: Final = re.compile(r"[\t -~]*")
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")

Authorize = Callable[[Mapping[str, str] | None], Mapping[str, str]]
"""Headers that say who asks: at first with None, and with the headers of an answer 401, for new ones."""


def nobody(_: Mapping[str, str] | None) -> Mapping[str, str]:
    """No credentials."""
    return {}


@dataclass(frozen=True, slots=True)
class Found:
    """What a server says of a file."""

    size: int | None
    version: str
    parts: bool
    """Whether it answers with parts of it."""

    @property
    def ranges(self) -> bool:
        """Whether parts can be told to be of one file: they come, and it says which version they are of."""
        return self.parts and bool(self.version)


class Web:
    """Fetches for one source. Connections are kept, one a thread and origin."""

    def __init__(self, authorize: Authorize = nobody, *, silent: float | None = None) -> None:
        """`silent` are the seconds that a connection may say nothing, where that is not SILENT_SECONDS."""
        self._authorize = authorize
        self._silent = silent or SILENT_SECONDS
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._headers: Mapping[str, str] | None = None
        self._certificates: ssl.SSLContext | None = None
        self._connections: list[http.client.HTTPConnection] = []
        self._targets = Targets()

    def close(self) -> None:
        """Close all connections; no thread may use one any more."""
        for connection in self._connections:
            connection.close()

    # --- what sources ask -------------------------------------------------------------------------------------------

    def look(self, url: str) -> Found:
        """What is at a URL, by its first byte: servers that take no HEAD answer this."""
        with self._open(url, {"range": "bytes=0-0"}) as answer:
            version = _version(answer.headers)
            if answer.status == 206:
                _, size = _span(answer)
                return Found(size, version, parts=True)
            if answer.status == 416:
                return Found(0, version, parts=False)
            return Found(_length(answer), version, parts=False)

    def into(self, url: str, entry: Entry, begin: int, view: memoryview) -> Iterator[int]:
        """Fills the view with bytes from `begin` on; yields how many came each time."""
        wanted = {"range": f"bytes={begin}-{begin + len(view) - 1}"}
        if entry.version.startswith('"'):
            wanted["if-match"] = entry.version
        with self._open(url, wanted) as answer:
            if answer.status != 206:
                raise Changed("it does not answer with parts any more: fetch it again")
            start, size = _span(answer)
            if size != entry.size or (entry.version and _version(answer.headers) != entry.version):
                raise Changed("it changed while it was fetched: fetch it again")
            if start != begin:
                raise Incomplete("its server answers with other parts than asked for: use another server")
            got = 0
            while got < len(view):
                count = answer.readinto(view[got : got + _PIECE])
                if not count:
                    self._targets.forget(url)
                    return
                got += count
                yield count

    def stream(self, url: str) -> Iterator[Buffer]:
        """All bytes of a URL. Raises Passing when fewer come than were announced."""
        buffer = bytearray(_PIECE)
        view = memoryview(buffer)
        with self._open(url, {}) as answer:
            announced, got = _length(answer), 0
            while count := answer.readinto(buffer):
                got += count
                yield view[:count]
            if announced is not None and got != announced:
                raise Passing(f"{got} of {announced} bytes came")

    def document(self, url: str) -> Any:
        """A JSON document."""
        return parsed(self.read(url, "application/json"))

    def read(self, url: str, accept: str) -> bytes:
        """A document of at most MAX_DOCUMENT bytes."""
        with self._open(url, {"accept": accept}) as answer:
            body = answer.read(MAX_DOCUMENT + 1)
        if len(body) > MAX_DOCUMENT:
            raise Unsafe(f"its server answered with a document of more than {MAX_DOCUMENT} bytes: check the address")
        return body

    # --- requests ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _open(self, url: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """The answer with a body, redirects followed. A connection whose body was not read is not used again."""
        try:
            answer, connection = self._again(url, headers) or self._follow(url, headers)
            try:
                yield answer
            finally:
                if not answer.isclosed():
                    connection.close()
                answer.close()
        except (OSError, http.client.HTTPException) as error:
            check_trusted(error, urlsplit(url).netloc)
            self._targets.forget(url)
            raise Passing(f"{urlsplit(url).netloc}: {type(error).__name__}") from None

    def _again(
        self, url: str, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection] | None:
        """The answer from where redirects led before, by the same rules; None where the URL has to be asked itself."""
        target = self._targets.get(url) if "range" in headers else None
        if target is None:
            return None
        own = self._who() if origin(target) == origin(urlsplit(url)) else {}
        answer, connection = self._send(target, {**headers, **own})
        if answer.status not in LASTING:
            self._targets.forget(url)
        if answer.status in OVER:
            answer.close()
            connection.close()
            return None
        _check(answer, connection, target.netloc)
        return answer, connection

    def _follow(
        self, url: str, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        first = target = urlsplit(url)
        renewed, hops = False, 0
        while hops <= MAX_REDIRECTS:
            own = self._who() if origin(target) == origin(first) else {}
            answer, connection = self._send(target, {**headers, **own})
            if answer.status == 401 and not renewed and origin(target) == origin(first):
                refused = {name.lower(): value for name, value in answer.headers.items()}
                answer.close()
                connection.close()
                renewed = True
                with self._lock:
                    if self._headers is own:  # or else another thread has new ones already
                        self._headers = _sendable(self._authorize(refused))
                continue
            location = answer.headers.get("location")
            if answer.status not in REDIRECTS or location is None:
                _check(answer, connection, target.netloc)
                if hops and "range" in headers:
                    self._targets.learn(url, target)
                return answer, connection
            answer.close()
            connection.close()
            target = following(target, location)
            hops += 1
        raise AddressError(f"{first.netloc} redirects more than {MAX_REDIRECTS} times: give the last address")

    def _who(self) -> Mapping[str, str]:
        with self._lock:
            if self._headers is None:
                self._headers = _sendable(self._authorize(None))
            return self._headers

    def _send(
        self, target: SplitResult, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        own = {"accept-encoding": "identity", "user-agent": "slipway"}
        path = quote(f"{target.path or '/'}{'?' + target.query if target.query else ''}", safe=_SAFE)
        for fresh in (False, True):
            connection = self._connection(target, fresh=fresh)
            used = connection.sock is not None
            try:
                if not used:
                    connection.connect()
                    connection.sock.settimeout(self._silent)
                connection.request("GET", path, headers={**headers, **own})
                return connection.getresponse(), connection
            except (ConnectionError, http.client.RemoteDisconnected, http.client.CannotSendRequest):
                connection.close()
                if not used:  # a kept connection may have been closed by its server meanwhile
                    raise
            except OSError:
                connection.close()
                raise
        raise AssertionError("a fresh connection was not used before")

    def _connection(self, target: SplitResult, *, fresh: bool) -> http.client.HTTPConnection:
        kept: dict[tuple[str, str], http.client.HTTPConnection] = self._mine.__dict__.setdefault("kept", {})
        key = origin(target)
        if fresh or key not in kept:
            kept[key] = made = _connect(target, self._trusted() if target.scheme == "https" else None)
            with self._lock:
                self._connections.append(made)
        return kept[key]

    def _trusted(self) -> ssl.SSLContext:
        with self._lock:
            if self._certificates is None:
                self._certificates = ssl.create_default_context()
            return self._certificates


class WebFile(Source):
    """One file at an https URL."""

    def __init__(self, where: Address) -> None:
        self._url = f"{where.scheme}://{where.host}/{where.path}"
        self._web = Web(_of_netrc(where.host))

    def entries(self) -> tuple[Entry, ...]:
        """The file, named as the last part of the path."""
        found = self._web.look(self._url)
        name = unquote(urlsplit(self._url).path.rpartition("/")[2])
        return (Entry(name, self._url, found.size, found.version, ranges=found.ranges),)

    def into(self, entry: Entry, begin: int, view: memoryview) -> Iterator[int]:
        """See `Source`."""
        return self._web.into(entry.key, entry, begin, view)

    def stream(self, entry: Entry) -> Iterator[Buffer]:
        """See `Source`."""
        return self._web.stream(entry.key)

    def close(self) -> None:
        """See `Source`."""
        self._web.close()


def parsed(body: bytes) -> Any:
    """A JSON document. Raises NotFound for anything else, as a login page is."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NotFound("its server answered with something that is not JSON: check the address") from None


def basic(user: str, password: str) -> Mapping[str, str]:
    """The header of a user and a password."""
    return {"authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def check_trusted(error: BaseException, whose: str) -> None:
    """Raises MisconfiguredError where a request failed, after all, because of its server's certificate."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        raise MisconfiguredError(
            f"the certificate of {whose} is not trusted ({cause.verify_message}): set SSL_CERT_FILE"
        ) from None


def _sendable(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Headers as they are. Raises Denied where one cannot be sent: the library's own error would show it."""
    if all(_TEXT.fullmatch(value) for value in headers.values()):
        return headers
    raise Denied("they hold characters that cannot be sent, such as a line break in a token: write them anew")


def _of_netrc(host: str) -> Authorize:
    """Credentials for a host from the file that NETRC names, or ``~/.netrc``, as curl reads it."""

    def authorize(_: Mapping[str, str] | None) -> Mapping[str, str]:
        named = os.environ.get("NETRC")
        try:
            found = netrc.netrc(named).authenticators(host.partition(":")[0])
        except FileNotFoundError:
            return {}
        except (OSError, netrc.NetrcParseError) as error:
            if isinstance(error, PermissionError) and named is None:
                return {}  # the home folder of somebody else, as pods with a user of their own may have
            raise Denied(f"the netrc file cannot be read ({type(error).__name__}): check NETRC") from None
        return basic(found[0], found[2] or "") if found else {}

    return authorize


def _connect(target: SplitResult, certificates: ssl.SSLContext | None) -> http.client.HTTPConnection:
    """A connection, by the proxy that HTTPS_PROXY names unless NO_PROXY excepts the host."""
    host = target.hostname or ""
    proxies: Mapping[str, str] = urllib.request.getproxies()
    proxy = None if urllib.request.proxy_bypass(host) else proxies.get(target.scheme)
    if certificates is None:
        return http.client.HTTPConnection(host, target.port, timeout=CONNECT_SECONDS)
    if proxy is None:
        return http.client.HTTPSConnection(host, target.port, timeout=CONNECT_SECONDS, context=certificates)
    through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = http.client.HTTPSConnection(
        through.hostname or "", through.port or 3128, timeout=CONNECT_SECONDS, context=certificates
    )
    login = basic(unquote(through.username), unquote(through.password or "")) if through.username else {}
    connection.set_tunnel(host, target.port, {name.title(): value for name, value in _for_proxy(login).items()})
    return connection


def _for_proxy(login: Mapping[str, str]) -> Mapping[str, str]:
    return {f"proxy-{name}": value for name, value in login.items()}


def _check(answer: http.client.HTTPResponse, connection: http.client.HTTPConnection, host: str) -> None:
    """Raises what an answer's status stands for, unless it has what was asked for."""
    status = answer.status
    if status in (200, 206) or status == 416:
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            connection.close()
            raise Incomplete(f"{host} answers compressed, though it was asked not to: store the file uncompressed")
        return
    after = seconds_asked({name.lower(): value for name, value in answer.headers.items()})
    unnamed = status == 403 and OTHER_NAME in answer.read(_PIECE)
    answer.close()
    connection.close()
    if unnamed:
        raise MisconfiguredError(f"{host} takes no requests under this name: allow it there (MLflow: --allowed-hosts)")
    if status in PASSING:
        raise Passing(f"{host} answered HTTP {status}", after=after)
    if status in (401, 403, 407):
        raise Denied(f"{host} answered HTTP {status}: check that the credentials given may read it")
    if status in (404, 410):
        raise NotFound(f"{host} answered HTTP {status}: check the path")
    if status == 412:
        raise Changed("it changed while it was fetched: fetch it again")
    raise NotFound(f"{host} answered HTTP {status}: check the address")


def _version(headers: Any) -> str:
    return str(headers.get("etag") or headers.get("last-modified") or "")[:256]


def _length(answer: http.client.HTTPResponse) -> int | None:
    text = answer.headers.get("content-length", "")
    return int(text) if text.isdecimal() else None


def _span(answer: http.client.HTTPResponse) -> tuple[int, int]:
    """Where a part begins, and how large the whole is."""
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if found is None:
        raise Incomplete("its server answers with parts without saying which: use another server")
    return int(found[1] or 0), int(found[3])
