"""Container logs: files in the runtime interface's format, `TIME stdout F TEXT`, and how they are read back."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

LARGEST_FILE_BYTES: Final = 10 * 1024 * 1024
LONGEST_LINE_BYTES: Final = 16 * 1024
FOLLOW_PAUSE_SECONDS: Final = 0.1


class LogWriter:
    """Takes in what a container writes and stores it line by line with the time of its arrival.

    A file that grows past the limit is kept once under the suffix `.1` and begun anew, as a kubelet rotates.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size
        self._rest = b""
        self.tail: deque[bytes] = deque(maxlen=80)
        """The last lines, for termination messages."""

    def feed(self, data: bytes) -> None:
        """Store what arrived; an unfinished line waits for its end."""
        *lines, rest = (self._rest + data).split(b"\n")
        while len(rest) > LONGEST_LINE_BYTES:
            lines.append(rest[:LONGEST_LINE_BYTES])
            rest = rest[LONGEST_LINE_BYTES:]
        self._rest = rest
        self._store(lines)

    def close(self) -> None:
        """Store an unfinished last line and close the file."""
        if self._rest:
            self._store([self._rest])
            self._rest = b""
        self._file.close()

    def _store(self, lines: list[bytes]) -> None:
        if not lines:
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
        block = b"".join(now + b" stdout F " + line + b"\n" for line in lines)
        self.tail.extend(lines)
        if self._size + len(block) > LARGEST_FILE_BYTES:
            self._file.close()
            os.replace(self.path, self.path.with_suffix(".log.1"))  # noqa: PTH105
            self._file = self.path.open("ab", buffering=0)
            self._size = 0
        self._file.write(block)
        self._size += len(block)


@dataclass(frozen=True)
class LogQuery:
    """What `kubectl logs` asks for."""

    follow: bool = False
    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


async def read_log(path: Path, query: LogQuery, *, still_written: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The log's lines as the query wants them; with `follow`, until the container has ended and all is told."""
    sent = 0
    with path.open("rb") as stream:
        rest = b""
        first = True
        while True:
            running = still_written()
            *lines, rest = (rest + stream.read()).split(b"\n")
            shown = [text for line in lines if (text := _shown(line, query)) is not None]
            if first and query.tail is not None:
                shown = shown[-query.tail :] if query.tail else []
            first = False
            block = b"".join(shown)
            if query.limit_bytes is not None:
                block = block[: query.limit_bytes - sent]
            if block:
                sent += len(block)
                yield block
            if not query.follow or not running or (query.limit_bytes is not None and sent >= query.limit_bytes):
                return
            await asyncio.sleep(FOLLOW_PAUSE_SECONDS)


def _shown(line: bytes, query: LogQuery) -> bytes | None:
    time, _, rest = line.partition(b" ")
    text = rest.split(b" ", 2)[2] if rest.count(b" ") >= 2 else rest
    if query.since is not None and datetime.fromisoformat(time[:26].decode() + "+00:00") < query.since:
        return None
    return (time + b" " if query.timestamps else b"") + text + b"\n"
