"""The logs of a state folder, on the terminal: they can be read whether the sandbox runs or not."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import typer

from slipway_sandbox.sandbox import SandboxError

SERVER: Final = "sandbox"
PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True)
class LogSource:
    """A file, or a folder in which every run of a container writes a file of its own."""

    path: Path
    label: str = ""
    """Put before every line, to tell several containers apart."""
    of_container: bool = False
    """Its lines are `TIME STREAM TAG TEXT`, of which the text is shown."""

    def file(self) -> Path | None:
        """What is written now; None before there is anything."""
        if not self.of_container:
            return self.path if self.path.exists() else None
        runs = [file for file in self.path.glob("*.log") if file.stem.isdigit()]
        return max(runs, key=lambda file: int(file.stem)) if runs else None

    def shown(self, line: str) -> str:
        """A line as users see it."""
        words = line.split(" ", 3)
        text = words[3] if self.of_container and len(words) == 4 else line
        return self.label + text


def log_files(logs: Path, of: str) -> list[LogSource]:
    """Where a component's or a pod's logs are.

    A pod may be named without its namespace where only one namespace has it. Of several pods of one name, one after
    the other, the last is meant. Raises `SandboxError` when there is no such log, and says which there are.
    """
    components = sorted(path.stem for path in logs.glob("*.log"))
    if of in components:
        return [LogSource(logs / f"{of}.log")]
    found: dict[str, Path] = {}
    known: set[str] = set()
    for folder in sorted((logs / "pods").glob("*_*_*"), key=lambda path: path.stat().st_mtime_ns):
        namespace, name, _ = folder.name.split("_", 2)
        known.add(f"{namespace}/{name}")
        if of in {name, f"{namespace}/{name}"}:
            found[f"{namespace}/{name}"] = folder
    if not found:
        there = ", ".join([*components, *sorted(known)])
        if not there:
            raise SandboxError(f"there are no logs in {logs}: no sandbox has run there")
        raise SandboxError(f"no log of {of!r}; there are: {there}")
    if len(found) > 1:
        raise SandboxError(f"several namespaces have a pod {of!r}; say which: {', '.join(sorted(found))}")
    [pod] = found.values()
    containers = sorted(path for path in pod.iterdir() if path.is_dir())
    return [
        LogSource(path, label=f"[{path.name}] " if len(containers) > 1 else "", of_container=True)
        for path in containers
    ]


@dataclass
class _Reader:
    """Reads on where it stopped; begins anew when the file is another one, after a restart or a rotation."""

    source: LogSource
    stream: IO[str] | None = None
    identity: tuple[Path, int] | None = None
    rest: str = field(default="")

    def lines(self) -> Iterator[str]:
        path = self.source.file()
        identity = (path, path.stat().st_ino) if path is not None else None
        if identity != self.identity:
            yield from self._read()  # the last words of the old file
            if self.stream is not None:
                self.stream.close()
            self.stream = path.open(errors="replace") if path is not None else None
            self.identity, self.rest = identity, ""
        yield from self._read()

    def _read(self) -> Iterator[str]:
        if self.stream is not None:
            *lines, self.rest = (self.rest + self.stream.read()).split("\n")
            yield from map(self.source.shown, lines)


def show(sources: Iterable[LogSource], *, tail: int | None, follow: bool) -> None:
    """Print the logs; with `follow` until interrupted."""
    readers = [_Reader(source) for source in sources]
    for reader in readers:
        lines = list(reader.lines())
        for line in lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]:
            typer.echo(line)
    with contextlib.suppress(KeyboardInterrupt):
        while follow:
            time.sleep(PAUSE_SECONDS)
            for reader in readers:
                for line in reader.lines():
                    typer.echo(line)
