"""From a URI to a folder: what `slipway fetch` does, in order."""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Final
from urllib.parse import quote

from slipway.delivery.address import Address, address
from slipway.delivery.archives import Unpacking, remove
from slipway.delivery.cache import Cache
from slipway.delivery.digest import tree_digest
from slipway.delivery.errors import (
    AddressError,
    CacheError,
    DestinationError,
    DigestMismatch,
    DiskFull,
    TooLarge,
    Unsafe,
)
from slipway.delivery.journal import Journal
from slipway.delivery.listing import Entry, Names, Source, check_entries
from slipway.delivery.place import Artifact, Place, There
from slipway.delivery.progress import Meter, Report
from slipway.delivery.transfer import CHUNK, WORKERS, Transfer, attempts, writing

_LOGGER: Final = logging.getLogger(__name__)
_VARIABLES: Final = ("AWS_", "AZURE_", "GOOGLE_", "HF_", "MLFLOW_")
"""What the names of variables begin with by which stores are reached."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Options:
    """How to fetch."""

    digest: str | None = None
    """What has to come: ``sha256:…`` of the tree."""
    max_size: int | None = None
    """Bytes of all files, unpacked."""
    extract: bool = False
    """Whether the URI names an archive whose entries are wanted. Without it an archive is a file like any other."""
    cache: Path | None = None
    cache_size: int | None = None
    """Bytes that the cache may take."""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    """Where claims are mounted, for ``pvc://``."""
    workers: int = WORKERS


def fetch(uri: str, dest: Path, options: Options | None = None, progress: Report | None = None) -> Artifact:
    """Fetches what is at a URI into a folder that appears only when it is whole, with its files read-only.

    A folder that holds it already is hashed again and kept. What an interrupted fetch to the same folder left is used.
    Blocks; needs no event loop. Raises DeliveryError, and leaves no folder then.
    """
    options = options or Options()
    if options.digest is not None and not _DIGEST.fullmatch(options.digest):
        raise DigestMismatch("it is no digest: write it like sha256: and 64 hex digits")
    where = address(uri, pinned=options.digest is not None)
    if options.cache is not None:
        _check_folder(options.cache)
    with writing(dest), Place(dest).held() as place:
        there = place.there()
        if there is not None:
            return _kept(there, where, options, place)
        with _opened(options) as cache:
            return _cached(cache, where, options, place) or _fetched(cache, where, options, place, progress)


def _check_folder(cache: Path) -> None:
    """Raises CacheError for a path that somebody got wrong. What else is wrong with a cache is no reason to fail."""
    try:
        wrong = not stat.S_ISDIR(cache.stat().st_mode)
    except OSError:
        wrong = False
    if wrong:
        raise CacheError(f"{cache} is no folder: name one, or one that does not exist yet")


@contextmanager
def _opened(options: Options) -> Iterator[Cache | None]:
    """The cache, for this process alone of those that want the digest. None where it cannot be used: it saves time,
    and decides nothing."""
    with ExitStack() as held:
        cache = None
        if options.cache is not None:
            try:
                cache = Cache(options.cache, options.cache_size)
                if options.digest is not None:
                    held.enter_context(cache.making(options.digest))
            except CacheError as error:
                cache = None
                _LOGGER.warning("fetching without the cache: %s", error.problem)
        yield cache


def _kept(there: There, where: Address, options: Options, place: Place) -> Artifact:
    known = there.artifact
    if options.digest not in (None, known.digest):
        raise _other(known.digest, str(options.digest), f"{place.dest} holds")
    if options.digest is None and (known.uri, there.extracted) != (where.uri, options.extract):
        raise DestinationError(f"{place.dest} holds what came from another URI: remove it, or name another folder")
    _check_size(known.bytes, options)
    return replace(known, uri=where.uri)


def _cached(cache: Cache | None, where: Address, options: Options, place: Place) -> Artifact | None:
    if cache is None or options.digest is None:
        return None
    tree = place.work / "cached"
    remove(tree)
    try:
        found = cache.take(options.digest, tree)
    except CacheError as error:
        _LOGGER.warning("not taken from the cache: %s", error.problem)
        remove(tree)
        return None
    if found is None:
        return None
    size, files = found
    _check_size(size, options)
    artifact = Artifact(where.uri, options.digest, size, files)
    place.publish(tree, artifact, extracted=options.extract)
    return artifact


def _fetched(cache: Cache | None, where: Address, options: Options, place: Place, progress: Report | None) -> Artifact:
    with closing(attempts(Event(), lambda: open_source(where, options.volumes))) as source:
        entries = attempts(Event(), lambda: _listed(source, options))
        _check_size(sum(entry.size or 0 for entry in entries), options)
        try:
            artifact, tree = _made(where, source, entries, options, place=place, progress=progress)
        except (DigestMismatch, Unsafe):
            remove(place.work)  # it would be the same the next time
            raise
    place.publish(tree, artifact, extracted=options.extract)
    if cache is not None:
        try:
            cache.put(artifact.digest, place.dest, artifact.bytes)
        except CacheError as error:  # the model is there; only the next fetch is slower
            _LOGGER.warning("not kept in the cache: %s", error.problem)
    return artifact


def _listed(source: Source, options: Options) -> Sequence[Entry]:
    entries = [
        replace(entry, unpack=entry.unpack or options.extract) if options.extract else entry
        for entry in source.entries()
    ]
    if not entries:
        raise AddressError("it is empty: there is nothing to fetch; check the path")
    if options.extract and len(entries) != 1:
        raise AddressError(f"there are {len(entries)} files, and one archive can be extracted: name the archive")
    check_entries(entries)
    return entries


def _made(
    where: Address, source: Source, entries: Sequence[Entry], options: Options, *, place: Place, progress: Report | None
) -> tuple[Artifact, Path]:
    parts, tree = place.work / "parts", place.work / "tree"
    remove(tree)
    with writing(parts):
        parts.mkdir(parents=True, exist_ok=True)
    sizes = [entry.size for entry in entries]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    _check_room(place, parts, total)
    _drop_others(parts, entries)
    meter = Meter(total, len(entries), progress)
    with writing(place.work / "journal"):
        there = {entry.identity for entry in entries if entry.ranges and (parts / entry.path).is_file()}
        journal = Journal(place.work / "journal", CHUNK, there)
    try:
        digests = Transfer(source, entries, parts, journal=journal, meter=meter, limit=options.max_size).run(
            options.workers
        )
    finally:
        journal.close()
        meter.tell(last=True)
    tree, digests, size = _unpacked(parts, tree, entries, digests, options)
    digest = tree_digest(digests)
    if options.digest is not None and digest != options.digest:
        raise _other(digest, options.digest, "the URI holds")
    return Artifact(where.uri, digest, size, len(digests)), tree


def _unpacked(
    parts: Path, tree: Path, entries: Sequence[Entry], digests: Mapping[str, str], options: Options
) -> tuple[Path, dict[str, str], int]:
    """Where the files are, their digests and their bytes, after the archives among them were taken apart."""
    if not any(entry.unpack for entry in entries):
        size = sum((parts / entry.path).stat().st_size for entry in entries)
        _check_size(size, options)
        return parts, dict(digests), size
    names = Names()
    unpacking = Unpacking(tree, names, options.max_size)
    known: dict[str, str] = {}
    for entry in entries:
        if entry.unpack:
            unpacking.unpack(parts / entry.path)
            continue
        names.file(entry.path)
        with writing(tree / entry.path):
            (tree / entry.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(parts / entry.path, tree / entry.path)
        known[entry.path] = digests[entry.path]
    known |= unpacking.sha256
    if not known:
        raise AddressError("the archive is empty: pack the model's files")
    size = sum((tree / path).stat().st_size for path in known)
    _check_size(size, options)
    return tree, known, size


def open_source(where: Address, volumes: Mapping[str, Path]) -> Source:
    """Whoever knows the files of an address. Raises DeliveryError."""
    _trim_variables()
    match where.scheme:
        case "http" | "https":
            from slipway.delivery.web import WebFile

            return WebFile(where)
        case "file":
            from slipway.delivery.local import LocalFiles

            return LocalFiles(Path("/") / where.path)
        case "pvc":
            from slipway.delivery.local import LocalFiles, mounted, unread_of

            return LocalFiles(mounted(where, volumes), unread_of(where, volumes))
        case "hf":
            from slipway.delivery.hub import HubFiles

            return HubFiles(where)
        case "oci":
            from slipway.delivery.registry import RegistryFiles

            return RegistryFiles(where)
        case "mlflow":
            return _of_mlflow(where, volumes)
    from slipway.delivery.stores import StoredObjects

    return StoredObjects(where)


def _trim_variables() -> None:
    """Take white space off the ends of variables with credentials.

    Secrets that are made of a file, or by echo, end with a line break. It is part of no credential, and ends clients.
    """
    for name, value in os.environ.items():
        if name.startswith(_VARIABLES) and value != value.strip():
            os.environ[name] = value.strip()


def _of_mlflow(where: Address, volumes: Mapping[str, Path]) -> Source:
    from slipway.delivery import mlflow
    from slipway.delivery.azure import Located

    tracking = mlflow.Tracking()
    try:
        located = tracking.located(where.path)
        if mlflow.is_proxied(located):
            return mlflow.ProxiedArtifacts(tracking.server, located)
    finally:
        tracking.web.close()
    azure = Located.read(located)
    if azure is not None:
        located = azure.uri
    scheme, _, rest = located.partition("://")
    if scheme in ("s3", "gs", "az"):  # MLflow writes names of objects as they are
        located = f"{scheme}://{quote(rest, safe='/$')}"
    try:
        found = address(Path(located).as_uri() if located.startswith("/") else located)
    except AddressError as error:
        raise AddressError(
            f"the MLflow server keeps its artifacts where they cannot be fetched from: {error.problem}"
        ) from None
    if found.scheme == "mlflow":
        raise AddressError("the MLflow server leads back to itself: name the run instead")
    if azure is not None:
        from slipway.delivery.stores import StoredObjects

        return StoredObjects(found, azure.settings(os.environ))
    return open_source(found, volumes)


def _check_size(size: int, options: Options) -> None:
    if options.max_size is not None and size > options.max_size:
        raise TooLarge(f"there are {size} bytes, more than {options.max_size}: allow more, or name a smaller part")


def _check_room(place: Place, parts: Path, total: int | None) -> None:
    with writing(parts):
        free = shutil.disk_usage(place.work).free
        held = sum(path.stat().st_blocks * 512 for path in parts.rglob("*") if path.is_file())
    if total is not None and total > free + held:
        raise DiskFull(
            f"the volume of {place.dest} has {free} bytes free, and {total - held} are to come: make it larger"
        )


def _drop_others(parts: Path, entries: Sequence[Entry]) -> None:
    """Remove files that an earlier fetch of something else left."""
    wanted = {entry.path for entry in entries}
    for path in sorted(parts.rglob("*"), reverse=True):
        name = path.relative_to(parts).as_posix()
        if (not path.is_dir() and name not in wanted) or (path.is_dir() and not any(path.iterdir())):
            remove(path)


def _other(found: str, wanted: str, what: str) -> DigestMismatch:
    return DigestMismatch(f"{what} {found}, and {wanted} is wanted: pin the former if that is what is meant")
