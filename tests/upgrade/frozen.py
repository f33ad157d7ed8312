"""What former versions left behind, as it was frozen at their release: see README.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]

Object = dict[str, Any]


@dataclass(frozen=True)
class Frozen:
    """One version, from its folder."""

    folder: Path

    @property
    def version(self) -> str:
        """Such as ``v0.1.0``."""
        return self.folder.name

    @cached_property
    def about(self) -> Object:
        """Its ``version``, and the ``commit`` that its code is at."""
        return self._read("about.json")

    @cached_property
    def crds(self) -> dict[str, Object]:
        """Its CustomResourceDefinitions by name, without descriptions."""
        return {crd["metadata"]["name"]: crd for crd in self._read("crds.json")}

    @cached_property
    def states(self) -> list[Object]:
        """ModelDeployments and ModelRevisions with the status that its operator wrote, one for each phase."""
        return self._read("states.json")

    @cached_property
    def midway(self) -> Object:
        """All objects in the middle of a canary, and the seconds into its world at which they were so."""
        return self._read("midway.json")

    @cached_property
    def releases(self) -> list[Object]:
        """Every release of the examples with its hash, and, where no runtime has a part in it, the pod template and
        selector of its Deployment."""
        return self._read("releases.json")

    @cached_property
    def chart(self) -> list[Object]:
        """What the chart renders with its default values, without the CRDs."""
        return self._read("chart.json")

    def _read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())


VERSIONS: Final = [Frozen(path) for path in sorted(HERE.glob("v*"))]
"""All of them, the oldest first."""

FORMER: Final = VERSIONS[-1]
"""The version before this one."""
