"""A golden set's file, one row at a time: JSON Lines, CSV or Parquet.

A row is a raw item, or why there is none. Tables have the columns ``id``, ``expected``, ``inputs`` where the whole
input is one JSON, ``slice.<name>`` for groups, and otherwise features by their names.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from slipway.probes.protocol import Scalar

SLICE: Final = "slice."
"""What the name of a column begins with that is a group and not a feature."""

MAX_UNPACKED: Final = 512 * 1024 * 1024
"""Bytes of a Parquet file's columns as the file says they are when unpacked."""

ODD_LABELS: Final = 0.1
"""So few labels that are no numbers, among numbers, are mistakes: as a column of text no prediction would be right."""

_INTEGER: Final = re.compile(r"[+-]?(0|[1-9]\d{0,18})")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?")
_NO_NUMBER: Final = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "-infinity"})


class Format(StrEnum):
    """How a golden set is written."""

    JSON_LINES = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class FormatError(ValueError):
    """A file as a whole cannot be read. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file."""

    place: str
    """``line 3`` or ``row 3``: where to look."""
    raw: Any = None
    """A JSON value, for JSON Lines; for tables an object with ``id``, ``expected``, ``slices`` and either ``inputs`` or
    ``features``."""
    problem: str = ""
    """Why there is no value."""


def read_rows(data: bytes, form: Format, *, limit: int, tolerance: float, labelled: bool = True) -> list[Row]:
    """All rows of a file, empty lines left out. `tolerance` is the share of cells that may be no number in a column of
    numbers. Raises FormatError, also for more than `limit` rows, which are not all read to find out."""
    if form is Format.PARQUET:
        return _parquet(data, limit, labelled=labelled)
    try:
        text = data.decode("utf-8-sig" if form is Format.CSV else "utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"is not UTF-8 at byte {error.start}: write it as UTF-8, or say which format it has"
        ) from None
    return json_lines(text, limit) if form is Format.JSON_LINES else _csv(text, limit, tolerance, labelled=labelled)


def json_lines(text: str, limit: int) -> list[Row]:
    """The rows of JSON Lines. Raises FormatError for too many."""
    lines = [
        (number, line)
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1)
        if line.strip(" \t\r")
    ]
    if not lines:
        raise FormatError('is empty: give it one item a line, such as {"id":"g1","inputs":[…],"expected":[1]}')
    _check_size(len(lines), limit)
    return [json_line(number, line) for number, line in lines]


def _check_size(rows: int, limit: int) -> None:
    if rows > limit:
        raise FormatError(f"has {rows} items: keep at most {limit}, chosen at random")


def json_line(number: int, line: str) -> Row:
    """One line of JSON Lines as a row."""
    place = f"line {number}"
    try:
        value = json.loads(line, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_duplicates)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        return Row(place, problem=f"not JSON at column {error.colno} ({error.msg}): write one JSON object a line")
    except UnicodeEncodeError:
        return Row(place, problem="it has an escape that is half of a character: write text as UTF-8")
    except RecursionError:
        return Row(place, problem="it is nested too deeply: write tensors flat, in row-major order")
    except ValueError as error:
        return Row(place, problem=str(error)[:200])
    return Row(place, value)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON, nor a value to judge by: remove the item or give a number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is too large for a number")
    return number


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:40]!r} is given twice in one object: keep one")
        found[name] = value
    return found


# --- tables ----------------------------------------------------------------------------------------------------------


def _csv(text: str, limit: int, tolerance: float, *, labelled: bool) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise FormatError("is empty: give it a header with the columns id and expected, and the features")
        _check_header(header, labelled=labelled)
        found: list[tuple[str, list[str]]] = []
        for cells in reader:
            if cells:
                found.append((f"line {reader.line_num}", cells))
                if len(found) > limit:
                    raise FormatError(f"has more than {limit} items: keep at most {limit}, chosen at random")
    except csv.Error as error:
        raise FormatError(
            f"is not CSV at line {reader.line_num} ({error}): quote texts with commas or quotes"
        ) from None
    if not found:
        raise FormatError("has a header and no rows")
    whole = [cells for _, cells in found if len(cells) == len(header)]
    kinds = [
        (_label_kind if name == "expected" else _kind)([cells[index] for cells in whole], tolerance)
        for index, name in enumerate(header)
    ]
    return [
        _table_row(place, str(number), header, [_cell(cell, kind) for cell, kind in zip(cells, kinds, strict=False)])
        if len(cells) == len(header)
        else Row(place, problem=f"it has {len(cells)} fields where the header has {len(header)}")
        for number, (place, cells) in enumerate(found, start=1)
    ]


class _Kind(StrEnum):
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class _Bad:
    """A cell that cannot be used, and why."""

    problem: str


def _kind(cells: Sequence[str], tolerance: float) -> _Kind:
    """What a column holds: numbers where all cells that are not empty are, up to the tolerated share."""
    given = [cell.strip() for cell in cells if cell.strip()]
    if not given:
        return _Kind.TEXT
    enough = (1.0 - tolerance) * len(given)
    if sum(cell.lower() in ("true", "false") for cell in given) >= enough:
        return _Kind.BOOLEAN
    if sum(_INTEGER.fullmatch(cell) is not None for cell in given) >= enough:
        return _Kind.INTEGER
    if sum(_numeric(cell) for cell in given) >= enough and any(_NUMBER.fullmatch(cell) for cell in given):
        return _Kind.NUMBER
    return _Kind.TEXT


def _label_kind(cells: Sequence[str], tolerance: float) -> _Kind:
    """The same for labels, among which a few texts make no texts of all others."""
    kind = _kind(cells, tolerance)
    given = [cell.strip() for cell in cells if cell.strip()]
    numbers = [cell for cell in given if _numeric(cell)]
    odd = len(given) - len(numbers)
    return _kind(numbers, tolerance) if kind is _Kind.TEXT and numbers and odd <= ODD_LABELS * len(given) else kind


def _numeric(cell: str) -> bool:
    """Whether a cell is a number, or says that it is none where one belongs. What begins with a useless 0, as postal
    codes do, is text."""
    padded = re.match(r"[+-]?0\d", cell) is not None
    return (not padded and _NUMBER.fullmatch(cell) is not None) or cell.lower() in _NO_NUMBER


def _cell(cell: str, kind: _Kind) -> Scalar | _Bad | None:
    plain = cell.strip()
    if not plain:
        return None
    if kind is _Kind.TEXT:
        return cell
    if kind is _Kind.BOOLEAN and plain.lower() in ("true", "false"):
        return plain.lower() == "true"
    if kind is _Kind.INTEGER and _INTEGER.fullmatch(plain):
        return int(plain)
    if kind is _Kind.NUMBER and _numeric(plain):
        number = float(plain)
        return number if math.isfinite(number) else _Bad(f"{plain[:40]} is not a finite number")
    return _Bad(f"{plain[:40]!r} where the column holds {kind}s")


def _parquet(data: bytes, limit: int, *, labelled: bool) -> list[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise FormatError(
            "is Parquet, which needs the package pyarrow: install slipway[parquet], or write it as JSON Lines or CSV"
        ) from None
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(data))
        shape = file.metadata
        _check_size(shape.num_rows, limit)
        if sum(shape.row_group(index).total_byte_size for index in range(shape.num_row_groups)) > MAX_UNPACKED:
            raise FormatError(f"unpacks to more than {MAX_UNPACKED} bytes: leave columns out that are no features")
        header = list(file.schema_arrow.names)
        _check_header(header, labelled=labelled)
        records = [record for batch in file.iter_batches(4096) for record in batch.to_pylist()]
    except FormatError:
        raise
    except (pyarrow.ArrowException, ValueError, OSError, KeyError) as error:
        raise FormatError(f"is not Parquet that can be read ({type(error).__name__}): write it anew") from None
    if not records:
        raise FormatError("has columns and no rows")
    return [
        _table_row(f"row {number}", str(number), header, [_plain(record[name]) for name in header])
        for number, record in enumerate(records, start=1)
    ]


def _plain(value: Any) -> Any:
    """A value of a column as JSON has it, or why it is none."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _Bad(f"{value} is not a finite number")
    if isinstance(value, list | dict):
        parts = value if isinstance(value, list) else list(value.values())
        plain = [_plain(part) for part in parts]
        bad = next((part for part in plain if isinstance(part, _Bad)), None)
        return bad or (plain if isinstance(value, list) else dict(zip(value, plain, strict=True)))
    return _Bad(f"a {type(value).__name__} is neither text nor a number: write it as one of them")


def _check_header(header: Sequence[str], *, labelled: bool) -> None:
    twice = [name for index, name in enumerate(header) if name in header[:index]]
    if twice:
        raise FormatError(f"has the column {twice[0][:40]!r} twice")
    if labelled and "expected" not in header:
        raise FormatError(f"has no column 'expected' with the labels (it has {', '.join(header)[:120]})")
    if "inputs" not in header and not _features(header):
        raise FormatError("has no features: give it columns beside id, expected and slices, or one named inputs")


def _features(header: Sequence[str]) -> list[str]:
    return [name for name in header if name not in ("id", "expected", "inputs") and not name.startswith(SLICE)]


def _table_row(place: str, number: str, header: Sequence[str], values: Sequence[Any]) -> Row:
    cells: Mapping[str, Any] = dict(zip(header, values, strict=True))
    for name, value in cells.items():
        if isinstance(value, _Bad):
            return Row(place, problem=f"column {name[:40]!r}: {value.problem}")
    raw: dict[str, Any] = {"id": str(cells["id"]) if cells.get("id") is not None else "" if "id" in cells else number}
    label = _nested(cells.get("expected"))
    if label is not None:
        raw["expected"] = label if isinstance(label, list) else [label]
    slices = {name.removeprefix(SLICE): value for name, value in cells.items() if name.startswith(SLICE)}
    if slices:
        raw["slices"] = {name: _shown(value) for name, value in slices.items() if value is not None}
    if "inputs" in cells:
        raw["inputs"] = _nested(cells["inputs"])
        return Row(place, raw)
    features = {name: cells[name] for name in _features(header)}
    missing = [name for name, value in features.items() if value is None]
    if missing:
        return Row(place, problem=f"column {missing[0][:40]!r} has no value: fill it in, or leave the item out")
    return Row(place, {**raw, "features": features})


def _nested(value: Any) -> Any:
    """A list or an object that stands in one cell as JSON; any other text stays text."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    row = json_line(0, value)
    return value if row.problem else row.raw


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def rows_of(form: Format) -> Iterator[str]:
    """The endings of file names that stand for a format."""
    yield from {Format.JSON_LINES: (".jsonl", ".ndjson", ".json"), Format.CSV: (".csv",)}.get(form, (".parquet", ".pq"))


def format_of(path: str) -> Format:
    """The format that the name of a file stands for. Raises FormatError."""
    for form in Format:
        if path.lower().endswith(tuple(rows_of(form))):
            return form
    raise FormatError("has a name that tells no format: end it in .jsonl, .csv or .parquet, or say which format it has")
