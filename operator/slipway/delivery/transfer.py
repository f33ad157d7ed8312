"""Fetching the bytes: many parts at a time, within a fixed amount of memory, hashed as they pass.

Every file is cut into chunks. A worker takes a buffer, then the next chunk, and the buffers are given back when their
chunk has been written and hashed. A file's chunks are hashed in their order, so a chunk that is early keeps its buffer
until those before it have come; as chunks are given out in order, the one that all wait for always has a buffer.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from slipway.delivery.errors import (
    DestinationError,
    DiskFull,
    Incomplete,
    Passing,
    TooLarge,
    Unreachable,
)
from slipway.delivery.journal import Journal
from slipway.delivery.listing import Entry, Source
from slipway.delivery.progress import Meter

_LOGGER: Final = logging.getLogger(__name__)

CHUNK: Final = 4 * 1024 * 1024
"""Bytes of a part."""

WORKERS: Final = 8
"""Parts that are asked for at a time."""

SPARE: Final = 2
"""Buffers beyond those of the workers: chunks that are early wait in them."""

ATTEMPTS: Final = 5
"""Times in a row that a request may fail before anything came."""

PATIENT_ATTEMPTS: Final = 12
"""The same once bytes have come: the pauses between them are about two minutes, in which a server may start anew."""

FIRST_WAIT: Final = 0.5
"""Seconds before the second attempt; doubled for each further one."""

LONGEST_WAIT: Final = 20.0
"""Seconds between two attempts at most, unless the server asks for more."""

LONGEST_ASKED: Final = 600.0
"""Seconds that are waited at most where a server asks for it: limits are often counted in windows of 5 minutes."""


@dataclass(slots=True)
class _File:
    """A file on its way."""

    entry: Entry
    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    hashed: Any = field(default_factory=sha256)
    following: int = 0
    """The chunk that is hashed next."""
    hashing: bool = False
    early: dict[int, tuple[bytearray, int]] = field(default_factory=dict)


def pause(stop: threading.Event, seconds: float) -> None:
    """Let time pass, unless everything is to stop."""
    stop.wait(seconds)


def attempts(
    stop: threading.Event, ask: Callable[[], Any], *, got: Callable[[], int] = int, patient: Callable[[], bool] = bool
) -> Any:
    """What `ask` gives, tried again when it fails in a way that passes. Raises Unreachable when it does so too often
    without getting any further by `got`, which counts what need not come again."""
    failed, before = 0, got()
    while True:
        try:
            return ask()
        except Passing as passing:
            failed = failed + 1 if got() == before else 1
            before = got()
            if passing.after > LONGEST_ASKED:
                raise Unreachable(
                    f"{passing}, and asks to wait {passing.after:.0f} s: fetch again after that"
                ) from None
            if failed >= (PATIENT_ATTEMPTS if patient() else ATTEMPTS):
                raise Unreachable(
                    f"{passing} {failed} times: check the host, that it runs, and the namespace's network policies"
                ) from None
            if passing.after > LONGEST_WAIT:
                _LOGGER.warning("%s, and asks to wait %.0f s, which is done", passing, passing.after)
            pause(stop, _wait(failed, passing.after))
            if stop.is_set():
                raise Stopped from None


def _wait(failed: int, asked: float) -> float:
    """Seconds until the next attempt, not the same for all who failed at the same time, and not less than asked."""
    own: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failed - 1)) * random.uniform(0.75, 1)  # noqa: S311 - jitter
    return max(own, asked * random.uniform(1, 1.1))  # noqa: S311 - jitter


class Stopped(Exception):
    """Another worker failed; this one's failure is of no interest."""


class Transfer:
    """Fetches all files of a source into a folder."""

    def __init__(
        self, source: Source, entries: Sequence[Entry], root: Path, *, journal: Journal, meter: Meter, limit: int | None
    ) -> None:
        self._source = source
        self._entries = entries
        self._root = root
        self._digests: dict[str, str] = {}
        self._journal = journal
        self._meter = meter
        self._limit = limit
        self._stop = threading.Event()
        self._begun = threading.Event()
        self._errors: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._tasks = self._chunks()
        self._buffers: queue.SimpleQueue[bytearray] = queue.SimpleQueue()

    def run(self, workers: int = WORKERS) -> dict[str, str]:
        """The hex sha256 of each file by its path. Raises DeliveryError."""
        chunks = sum(max(1, -(-(entry.size or 0) // CHUNK)) for entry in self._entries)
        workers = min(workers, chunks)
        largest = max((entry.size or CHUNK for entry in self._entries), default=0)
        for _ in range(min(workers + SPARE, chunks)):
            self._buffers.put(bytearray(min(CHUNK, max(largest, 1))))
        threads = [
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True) for number in range(workers)
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(0.1)
                self._meter.tell()
        finally:
            self._stop.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if not self._errors.empty():
            raise self._errors.get()
        return self._digests

    def _chunks(self) -> Iterator[tuple[_File, int]]:
        for entry in self._entries:
            file = _File(entry, self._root / entry.path)  # made late, as there may be many, and each holds a hash
            with writing(file.path):
                file.path.parent.mkdir(parents=True, exist_ok=True)
                if there := file.path.exists():
                    file.path.chmod(0o644)  # an earlier fetch may have ended just before its last step
                keep = file.entry.ranges and there
                with file.path.open("r+b" if keep else "wb") as made:
                    made.truncate(file.entry.size or 0)
            count = max(1, -(-(file.entry.size or 0) // CHUNK)) if file.entry.ranges else 1
            for index in range(count):
                yield file, index

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                buffer = self._buffers.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                with self._lock:
                    task = next(self._tasks, None)
                if task is None:
                    self._buffers.put(buffer)
                    return
                file, index = task
                if file.entry.ranges:
                    self._chunk(file, index, buffer)
                else:
                    self._whole(file)
                    self._buffers.put(buffer)
            except Stopped:
                return
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                self._errors.put(error)
                self._stop.set()
                return

    # --- a part of a file -------------------------------------------------------------------------------------------

    def _chunk(self, file: _File, index: int, buffer: bytearray) -> None:
        begin = index * CHUNK
        count = min(CHUNK, (file.entry.size or 0) - begin)
        view = memoryview(buffer)[:count]
        with writing(file.path), file.path.open("r+b", buffering=0) as out:
            if self._journal.has(file.entry, index):
                if _pread(out.fileno(), view, begin) != count:
                    raise DestinationError(f"{file.path} became shorter while it was fetched: leave it alone")
                self._meter.kept(count)
            else:
                self._fill(file.entry, begin, view)
                _pwrite(out.fileno(), view, begin)
                self._journal.add(file.entry, index)
        self._hash(file, index, buffer, count)

    def _fill(self, entry: Entry, begin: int, view: memoryview) -> None:
        got = 0

        def ask() -> None:
            nonlocal got
            if self._stop.is_set():
                raise Stopped
            for count in self._source.into(entry, begin + got, view[got:]):
                got += count
                self._came(count)
                if self._stop.is_set():
                    raise Stopped
            if got < len(view):
                raise Passing(f"the connection ended {len(view) - got} bytes early")

        if len(view):
            attempts(self._stop, ask, got=lambda: got, patient=self._begun.is_set)

    def _came(self, count: int) -> None:
        self._meter.came(count)
        self._begun.set()

    def _hash(self, file: _File, index: int, buffer: bytearray, count: int) -> None:
        """Hash a chunk, or leave it to whoever brings those before it; then hash those that waited for this one."""
        with file.lock:
            file.early[index] = buffer, count
            if file.hashing:
                return
            file.hashing = True
        while True:
            with file.lock:
                waiting = file.early.pop(file.following, None)
                if waiting is None:
                    file.hashing = False
                    break
                file.following += 1
            file.hashed.update(memoryview(waiting[0])[: waiting[1]])
            self._buffers.put(waiting[0])
            if file.following * CHUNK >= (file.entry.size or 0):
                self._finished(file)

    # --- a file that comes in one piece -----------------------------------------------------------------------------

    def _whole(self, file: _File) -> None:
        def ask() -> None:
            file.hashed = sha256()
            got = 0
            with writing(file.path), file.path.open("wb", buffering=0) as out:
                try:
                    for piece in self._source.stream(file.entry):
                        if self._stop.is_set():
                            raise Stopped
                        self._check_limit(file.entry, got + len(piece))
                        _pwrite(out.fileno(), memoryview(piece), got)
                        file.hashed.update(piece)
                        got += len(piece)
                        self._came(len(piece))
                except Passing:
                    self._meter.came(-got)
                    raise
            if file.entry.size is not None and got != file.entry.size:
                raise Incomplete(
                    f"{file.entry.path} has {got} bytes where {file.entry.size} were announced: fetch again"
                )

        attempts(self._stop, ask, patient=self._begun.is_set)
        self._finished(file)

    def _check_limit(self, entry: Entry, got: int) -> None:
        if self._limit is not None and entry.size is None and got > self._limit:
            raise TooLarge(f"{entry.path} has more than {self._limit} bytes: allow more, or fetch less")

    def _finished(self, file: _File) -> None:
        self._meter.finished()
        wanted, found = file.entry.sha256, str(file.hashed.hexdigest())
        self._digests[file.entry.path] = found
        if wanted and found != wanted:
            raise Incomplete(f"{file.entry.path} has the sha256 {found}, and its source says {wanted}: upload it again")


def _pread(descriptor: int, view: memoryview, begin: int) -> int:
    got = 0
    while got < len(view):
        count = os.preadv(descriptor, [view[got:]], begin + got)
        if not count:
            break
        got += count
    return got


def _pwrite(descriptor: int, view: memoryview, begin: int) -> None:
    while len(view):
        count = os.pwrite(descriptor, view, begin)
        begin, view = begin + count, view[count:]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tells errors of the file system as what they mean for whoever wanted a file there."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"the volume of {path.parent} is full: make it larger, or fetch less") from None
        raise DestinationError(
            f"{path} cannot be written ({type(error).__name__}): check the folder and who may write to it"
        ) from None
