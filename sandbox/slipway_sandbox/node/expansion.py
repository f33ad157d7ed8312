"""Text that is rewritten before a process sees it: `$(VAR)` references, paths of mounts and image files, and the
address that means all addresses."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_REFERENCE: Final = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_ABSOLUTE: Final = re.compile(r"(?:(?<=file://)|(?<![\w./-]))(/[\w.@%+~-]+(?:/[\w.@%+~-]+)*)")
_ALL_ADDRESSES: Final = re.compile(r"(?<![\w.-])0\.0\.0\.0(?![\w.-]|/\d)")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; an unknown name stays as it is, and `$$` becomes `$`."""

    def replaced(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return values.get(name, match.group(0))

    return _REFERENCE.sub(replaced, text)


class PathRewriter:
    """Turns absolute paths that exist only inside a container into paths of this machine.

    Mount paths come first, the deepest before the others; then files of the image's root folder. A path counts where it
    begins a word or follows `file://`, and only whole path elements match: `/models` does not touch `/models-old`.

    With an `address` it also turns `0.0.0.0` into it: a server that is told to listen on all addresses means all of its
    pod's, of which there is one, and not those of all pods of this machine.
    """

    def __init__(
        self, mounts: Sequence[tuple[str, Path]], root: Path | None = None, *, address: str | None = None
    ) -> None:
        self._address = address
        self._mounts = sorted(((path.rstrip("/") or "/", folder) for path, folder in mounts), key=lambda m: -len(m[0]))
        self._root = root

    def rewrite(self, text: str) -> str:
        """The text with every such path, and `0.0.0.0`, replaced."""
        if self._address is not None:
            text = _ALL_ADDRESSES.sub(self._address, text)
        if "/" not in text:
            return text
        return _ABSOLUTE.sub(lambda match: self.path(match.group(1)), text)

    def path(self, path: str) -> str:
        """One absolute path, replaced if it lies in a mount or in the image's files."""
        for mount, folder in self._mounts:
            if path == mount or path.startswith(mount + "/"):
                return str(folder) + path[len(mount) :]
        if self._root is not None and (self._root / path.lstrip("/")).exists():
            return str(self._root / path.lstrip("/"))
        return path
