"""Fetching a golden set from where a user says it is.

http and https go through `Outside`, which judges every address. Other schemes are those of fsspec, and only the ones
that the administrator has allowed: their clients connect by themselves, as they are configured, so the URL may say
what to read but not how, and neither files of this machine nor chains of file systems can be named.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.outside import Egress, FetchError, Outside
from slipway.probes.golden import GoldenSetError
from slipway.probes.rows import Format, FormatError, format_of

MAX_FILE: Final = 256 * 1024 * 1024
"""Bytes of a golden set that is fetched."""

LOAD_TIMEOUT: Final = 60.0
"""Seconds for fetching one."""

_CHUNK: Final = 1024 * 1024
_URL: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>\S+)", re.IGNORECASE)
_NEVER: Final = frozenset(
    {"file", "local", "memory", "http", "https", "ftp", "sftp", "ssh", "smb", "git", "github", "data", "reference"}
)
"""Schemes of fsspec that read this machine, connect anywhere, or hold their content in the URL."""

_OBSTORE: Final = ("s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "adl")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A golden set's file as it was fetched."""

    data: bytes
    form: Format
    version: str
    """What the source calls this version; empty where it does not."""


async def load_golden_set(
    url: str,
    outside: Outside,
    *,
    namespace: str,
    form: Format | None = None,
    limit: int = MAX_FILE,
    timeout: float = LOAD_TIMEOUT,
) -> Loaded:
    """Fetches a golden set for an object of `namespace`, within `limit` bytes and `timeout` seconds.

    Without a `form` the name's ending tells it. Raises GoldenSetError.
    """
    whole = _URL.fullmatch(url)
    if whole is None:
        raise GoldenSetError(f"{url[:80]!r} is no URL: write it like https://example.com/golden.jsonl")
    scheme = whole["scheme"].lower()
    shown = f"{scheme}://{whole['rest'].partition('?')[0].rpartition('@')[2][:120]}"
    try:
        used = form or format_of(whole["rest"].partition("?")[0])
    except FormatError as error:
        raise GoldenSetError(f"{shown} {error}") from None
    if scheme not in ("http", "https"):
        _check_store(scheme, url, outside.egress)
        data, version = await _from_store(url, shown, limit, timeout)
        return Loaded(data, used, version)
    try:
        answer = await outside.request(url, namespace=namespace, timeout=timeout, limit=limit)
    except FetchError as error:
        raise GoldenSetError(str(error)) from None
    if answer.status != 200:
        raise GoldenSetError(f"{shown} answered HTTP {answer.status}: check that it can be read without a login")
    if used is not Format.PARQUET and "html" in answer.content_type:
        raise GoldenSetError(f"{shown} answered with a web page: give the address of the file itself")
    return Loaded(answer.body, used, answer.version)


def map_file(path: Path, *, form: Format | None = None) -> tuple[bytes | mmap.mmap, Format]:
    """A golden set's file on this machine, mapped and not read, so that its size is no matter of memory.

    Raises GoldenSetError.
    """
    try:
        used = form or format_of(path.name)
        if not path.is_file():
            raise GoldenSetError(f"{path} is no file: check the volume and the path")
        with path.open("rb") as file:
            return (mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else b""), used
    except FormatError as error:
        raise GoldenSetError(f"{path} {error}") from None
    except (OSError, RuntimeError) as error:
        raise GoldenSetError(f"{path} cannot be read ({type(error).__name__}): check the volume and the path") from None


def _check_store(scheme: str, url: str, egress: Egress) -> None:
    if scheme in _NEVER or scheme not in egress.object_stores:
        allowed = ", ".join(sorted({"http", "https", *egress.object_stores} - (_NEVER - {"http", "https"})))
        raise GoldenSetError(f"{scheme}:// is not a scheme that the administrator allows: use one of {allowed}")
    if "::" in url:
        raise GoldenSetError(f"{scheme}://… chains file systems with '::', which is not allowed: name the file itself")


async def _from_store(url: str, shown: str, limit: int, timeout: float) -> tuple[bytes, str]:
    try:
        async with asyncio.timeout(timeout):
            # a thread cannot be stopped: it looks at the clock itself after each piece
            return await asyncio.to_thread(_read_store, url, shown, limit, time.monotonic() + timeout)
    except TimeoutError:
        raise GoldenSetError(f"{shown} was not read within {timeout:g}s") from None


def _register_clients() -> None:
    """One client for the large clouds' stores, where it is installed. Those of other schemes fsspec finds by itself."""
    with contextlib.suppress(ImportError):
        from obstore.fsspec import register

        register(_OBSTORE)


def _read_store(url: str, shown: str, limit: int, ends: float) -> tuple[bytes, str]:
    try:
        import fsspec
    except ImportError:
        raise GoldenSetError(f"{shown} needs the package fsspec: install slipway[stores]") from None
    _register_clients()
    try:
        system, path = fsspec.core.url_to_fs(url)
        about: dict[str, Any] = system.info(path)
        if about.get("type") == "directory":
            raise GoldenSetError(f"{shown} is a folder: name a file")
        size = about.get("size")
        if isinstance(size, int) and size > limit:
            raise GoldenSetError(f"{shown} has {size} bytes, more than {limit}: keep fewer items, chosen at random")
        data = bytearray()
        with system.open(path, "rb") as file:
            while piece := file.read(_CHUNK):
                data += piece
                if len(data) > limit:
                    raise GoldenSetError(f"{shown} has more than {limit} bytes: keep fewer items, chosen at random")
                if time.monotonic() > ends:
                    raise GoldenSetError(f"{shown} was not read in time")
    except GoldenSetError:
        raise
    except ImportError as error:
        raise GoldenSetError(f"{shown} needs the package {error.name or 'of its store'}: add it to the image") from None
    except Exception as error:  # noqa: BLE001  each store's client has errors of its own
        raise GoldenSetError(
            f"{shown} cannot be read ({type(error).__name__}): check its name and who may read it"
        ) from None
    version = next(
        (str(about[key]) for key in ("ETag", "etag", "e_tag", "version_id", "generation") if about.get(key)), ""
    )
    return bytes(data), version.strip('"')[:128]
