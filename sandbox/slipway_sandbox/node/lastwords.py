"""The file in which a container may leave a message about its end, which becomes part of its status."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from slipway_sandbox.client import Manifest

DEFAULT_PATH: Final = "/dev/termination-log"
LONGEST_BYTES: Final = 4096
LONGEST_FROM_LOG_BYTES: Final = 2048


class LastWords:
    """`terminationMessagePath` and `terminationMessagePolicy` of one container of the pod that has this folder."""

    def __init__(self, container: Manifest, pod_folder: Path) -> None:
        self._mount = container.get("terminationMessagePath") or DEFAULT_PATH
        self._from_log = container.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        self._path = pod_folder / "messages" / container["name"]

    def mount(self) -> tuple[str, Path]:
        """Where the container thinks that the file is, and where it is."""
        return self._mount, self._path

    def begin(self) -> None:
        """A run begins with an empty file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(b"")

    def read(self, code: int, tail: Iterable[bytes]) -> str:
        """The message of a run that ended with this code and these last lines in its log; empty if there is none."""
        try:
            with self._path.open("rb") as stream:
                message: bytes = stream.read(LONGEST_BYTES)
        except OSError:  # the container may do with its file what it likes
            message = b""
        if not message and self._from_log and code:
            message = b"\n".join(tail)[-LONGEST_FROM_LOG_BYTES:]
        return message.decode(errors="replace")
