"""Golden sets of up to a million items and more, replayed without holding them: JSON Lines are read twice.

The first pass checks every line and keeps where it begins, and a number for its place in the order of the seed: some
200 bytes an item. The second reads the items in that order, one batch after the other. The order is that of
`shuffled`, so that a set gives the same evidence whichever way it was read.

Tables have no lines that could be read alone: a column of CSV is of one kind, and Parquet is packed. They are held
whole, and `MAX_TABLE` of them is where that ends.
"""

from __future__ import annotations

import mmap
from array import array
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from slipway.probes.golden import (
    BadItem,
    GoldenSetError,
    Reason,
    Rules,
    item_of,
    label_kind,
    read_golden_set,
    shuffled,
)
from slipway.probes.protocol import GoldenItem, InferenceProtocol
from slipway.probes.rows import Format, json_line
from slipway.probes.schema import BodySchema

MAX_LINES: Final = 5_000_000
"""Most items of JSON Lines."""

MAX_TABLE: Final = 100_000
"""Most items of CSV or Parquet."""

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of one item."""

_BLANK: Final = b" \t\r"

Buffer = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class LargeSet:
    """A golden set in the order of its seed, whose items are read as they are asked for."""

    size: int
    digest: str
    read: Callable[[int, int], tuple[GoldenItem, ...]]
    """The items from one place in that order up to another."""
    rejected: Mapping[Reason, int] = field(default_factory=dict)
    """Items that were left out, by reason."""

    def batches(self, items: int) -> Iterator[tuple[GoldenItem, ...]]:
        """All items, so many at a time."""
        for begin in range(0, self.size, items):
            yield self.read(begin, min(begin + items, self.size))


def read_large_set(
    data: Buffer,
    *,
    seed: str,
    where: str,
    form: Format,
    protocol: InferenceProtocol,
    requests: BodySchema | None = None,
    tolerance: float = 0.0,
) -> LargeSet:
    """A golden set of any size, as `read_golden_set` and `shuffled` would give it. Raises GoldenSetError as they do.

    The data has to stay what it is while items are read. Takes a minute for a million items.
    """
    if form is not Format.JSON_LINES:
        whole = read_golden_set(
            bytes(data),
            schema=None,
            where=where,
            form=form,
            protocol=protocol,
            requests=requests,
            tolerance=tolerance,
            limit=MAX_TABLE,
        )
        items = shuffled(whole, seed)
        return LargeSet(len(items), whole.digest, lambda begin, end: items[begin:end], whole.rejected)
    lines = _Lines(data, Rules(protocol, None, requests, None, labelled=True), seed)
    lines.scan(where, tolerance)
    order = lines.order()
    return LargeSet(
        len(order),
        lines.digest,
        lambda begin, end: tuple(lines.item(place) for place in order[begin:end]),
        dict(lines.rejected),
    )


class _Lines:
    """What the first pass over JSON Lines finds out."""

    def __init__(self, data: Buffer, rules: Rules, seed: str) -> None:
        self._data = data
        self._rules = rules
        self._seed = seed
        self._begins = array("Q")
        self._keys = array("Q")
        self._kinds = array("B")
        self._names: list[str] = []
        self._ids: set[bytes] = set()
        self._first: tuple[str, str] | None = None
        self._count = 0
        self.digest = ""
        self.rejected: Counter[Reason] = Counter()

    def scan(self, where: str, tolerance: float) -> None:
        begin = len(BOM_UTF8) if self._data[: len(BOM_UTF8)] == BOM_UTF8 else 0
        hashed = sha256(self._data[:begin])
        number, end = 0, len(self._data)
        while begin < end:
            found = self._data.find(b"\n", begin)
            stop = end if found < 0 else found
            if stop - begin > MAX_LINE:
                raise GoldenSetError(f"{where}, line {number + 1}: an item has at most {MAX_LINE} bytes")
            line = self._data[begin:stop]
            number += 1
            hashed.update(line if found < 0 else line + b"\n")
            if line.strip(_BLANK):
                self._take(where, number, begin, line, strict=not tolerance)
            begin = stop + 1
        self.digest = f"sha256:{hashed.hexdigest()}"
        self._keep_one_kind(where, strict=not tolerance)
        bad = sum(self.rejected.values())
        if not self._count:
            raise GoldenSetError(f"{where} is empty: give it one item a line")
        if bad > tolerance * self._count or not self._begins:
            told = ", ".join(f"{count} {reason}" for reason, count in self.rejected.most_common())
            place, problem = self._first or ("", "")
            raise GoldenSetError(
                f"{where}: {bad} of {self._count} items are bad ({told}), which is more than {tolerance:.2%} allows; "
                f"{place}: {problem[:300]}"
            )

    def _take(self, where: str, number: int, begin: int, line: bytes, *, strict: bool) -> None:
        self._count += 1
        if self._count > MAX_LINES:
            raise GoldenSetError(f"{where} has more than {MAX_LINES} items: keep fewer, chosen at random")
        try:
            item = self._item(number, line)
            identity = sha256(item.id.encode()).digest()[:16]
            if identity in self._ids:
                problem = f"id {item.id!r} is that of an earlier item too: give each item an id of its own"
                raise BadItem(Reason.DUPLICATE_ID, problem)
        except BadItem as bad:
            self._reject(where, f"line {number}", bad, strict=strict)
            return
        self._ids.add(identity)
        self._begins.append(begin)
        kind = label_kind(item)
        if kind not in self._names:
            self._names.append(kind)
        self._kinds.append(self._names.index(kind))
        self._keys.append(int.from_bytes(sha256(f"{self._seed}\n{item.id}".encode()).digest()[:8], "big"))

    def _reject(self, where: str, place: str, bad: BadItem, *, strict: bool) -> None:
        if strict:
            raise GoldenSetError(f"{where}, {place}: {bad}")
        self.rejected[bad.reason] += 1
        self._first = self._first or (place, str(bad))

    def _item(self, number: int, line: bytes) -> GoldenItem:
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise BadItem(Reason.UNREADABLE, f"not UTF-8 at byte {error.start}: write it as UTF-8") from None
        row = json_line(number, text)
        if row.problem:
            raise BadItem(Reason.UNREADABLE, row.problem)
        return item_of(row.raw, self._rules)

    def _keep_one_kind(self, where: str, *, strict: bool) -> None:
        """Leave items out whose labels are of another kind than most, as text and numbers are never equal."""
        if len(self._names) < 2:
            return
        usual = Counter(self._kinds).most_common(1)[0][0]
        problem = f"expected holds {{}} where most items hold {self._names[usual]}: label all items alike"
        kept = [index for index, kind in enumerate(self._kinds) if kind == usual]
        for index, kind in enumerate(self._kinds):
            if kind != usual:
                bad = BadItem(Reason.MIXED_TYPES, problem.format(self._names[kind]))
                self._reject(where, f"the item at byte {self._begins[index]}", bad, strict=strict)
        self._begins = array("Q", (self._begins[index] for index in kept))
        self._keys = array("Q", (self._keys[index] for index in kept))

    def order(self) -> array[int]:
        """Where the items begin, in the order of the seed. What only the first pass needed is let go of."""
        places = sorted(range(len(self._begins)), key=self._keys.__getitem__)
        self._ids.clear()
        return array("Q", (self._begins[place] for place in places))

    def item(self, begin: int) -> GoldenItem:
        """The item of the line that begins at this byte. Raises GoldenSetError where it is not what it was."""
        found = self._data.find(b"\n", begin)
        try:
            return self._item(0, self._data[begin : len(self._data) if found < 0 else found])
        except BadItem as bad:
            raise GoldenSetError(f"the golden set was changed while it was read: {bad}") from None
