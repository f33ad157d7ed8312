"""The columns of built-in kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Cell = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Column:
    name: str
    cell: Cell
    kind: str = "string"
    priority: int = 0


COLUMNS: dict[tuple[str, str], list[Column]] = {}
