"""Golden sets: labelled inputs, from text of any format to items that can be asked.

An item of JSON Lines is ``{"id": "g0001", "inputs": <what the protocol takes>, "expected": [1]}``, and it may have
``"slices": {"country": "de"}``. Bad items are counted by reason, and none is repaired. How many are tolerated is said
by whoever reads: a set that was quietly shortened would still give a verdict, of something that nobody asked for, so
the default is none. Every refusal says where and how to correct it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slipway.probes.open_inference import OpenInferenceV2
from slipway.probes.protocol import GoldenItem, InferenceProtocol, Scalar, document
from slipway.probes.rows import Format, FormatError, Row, json_lines, read_rows
from slipway.probes.schema import BodySchema, ItemSchema, SchemaError

MAX_ITEMS: Final = 10_000
"""Most items of a golden set: what fits a ConfigMap, and what a replay inside the operator can take."""

MAX_ID: Final = 64
"""Longest id, in characters: ids are shown in messages."""

MAX_REJECTED_SHOWN: Final = 5
"""Rejected items that are told one by one."""

_ITEM: Final = {
    "type": "object",
    "required": ["id", "inputs", "expected"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
        "inputs": {},
        "expected": {"type": "array", "minItems": 1, "items": {"type": ["number", "string", "boolean"]}},
        "slices": {
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 64},
        },
    },
}
_BUILT_IN: Final = Draft202012Validator(_ITEM)
_UNLABELLED: Final = Draft202012Validator({**_ITEM, "required": ["id", "inputs"]})


class GoldenSetError(ValueError):
    """A golden set or its schema cannot be used. The message says where, what is wrong and how to correct it."""


class Reason(StrEnum):
    """Why an item was rejected."""

    UNREADABLE = "unreadable"
    SCHEMA = "does not match the schema"
    DUPLICATE_ID = "duplicate id"
    MISSING_LABEL = "missing label"
    MIXED_TYPES = "mixed types"
    UNKNOWN_CLASS = "unknown class"
    INPUTS = "inputs that cannot be sent"


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """A whole golden set, in the order of its file."""

    items: tuple[GoldenItem, ...]
    digest: str
    """``sha256:`` and the digest of the file as it was read."""
    version: str = ""
    """What its source calls this version of it, such as an ETag; empty where it has no name."""
    rejected: Mapping[Reason, int] = field(default_factory=dict)
    """Items that are not among `items`, by reason."""
    examples: tuple[str, ...] = ()
    """A few of the rejected items, in words."""


@dataclass(frozen=True, slots=True)
class _Rejection:
    place: str
    reason: Reason
    problem: str


class BadItem(ValueError):
    """An item that cannot be used, and why."""

    def __init__(self, reason: Reason, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Rules:
    """What an item has to be."""

    protocol: InferenceProtocol
    schema: ItemSchema | None
    requests: BodySchema | None
    classes: frozenset[Scalar] | None
    labelled: bool


def read_golden_set(
    data: str | bytes,
    *,
    schema: str | None,
    where: str,
    form: Format = Format.JSON_LINES,
    protocol: InferenceProtocol | None = None,
    requests: BodySchema | None = None,
    classes: Collection[Scalar] | None = None,
    tolerance: float = 0.0,
    limit: int = MAX_ITEMS,
    version: str = "",
    labelled: bool = True,
) -> GoldenSet:
    """Reads a golden set; `where` says which one in messages.

    `schema` is the text of a JSON Schema that every item has to match as well, `requests` one that every
    request has to match that is made of an item. `protocol` says which inputs can be sent; without one it is the Open
    Inference Protocol V2. `classes` are the labels that the model knows, where it knows only some. `tolerance` is the
    share of items that may be rejected, and `limit` how many items there may be. With `labelled` false items need not
    say what is expected, and what they say is left out.

    Raises GoldenSetError: for a set that is bad as a whole, for the first bad item where none is tolerated, and for
    more rejected items than that. Takes seconds for the largest set with a schema, so call it in a thread.
    """
    try:
        users = None if schema is None else ItemSchema(schema, steps=100 * limit if limit > MAX_ITEMS else None)
        known = frozenset(classes) if classes is not None else None
        rules = Rules(protocol or OpenInferenceV2(), users, requests, known, labelled)
        rows = _rows(data, form, limit, tolerance, labelled=labelled)
    except FormatError as error:
        raise GoldenSetError(f"{where} {error}") from None
    except SchemaError as error:
        raise GoldenSetError(f"{where}: {error}") from None
    items: list[GoldenItem] = []
    rejections: list[_Rejection] = []
    for found in _of_one_kind(_checked(rows, rules), rules.classes):
        if isinstance(found, GoldenItem):
            items.append(found)
            continue
        rejections.append(found)
        if not tolerance:
            raise GoldenSetError(f"{where}, {found.place}: {found.problem}")
    counts = Counter(one.reason for one in rejections)
    if len(rejections) > tolerance * len(rows) or not items:
        told = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        raise GoldenSetError(
            f"{where}: {len(rejections)} of {len(rows)} items are bad ({told}), "
            f"which is more than {tolerance:.2%} allows; {rejections[0].place}: {rejections[0].problem[:300]}"
        )
    examples = tuple(f"{one.place}: {one.problem}" for one in rejections[:MAX_REJECTED_SHOWN])
    return GoldenSet(tuple(items), "sha256:" + sha256(_bytes(data)).hexdigest(), version, dict(counts), examples)


def _rows(data: str | bytes, form: Format, limit: int, tolerance: float, *, labelled: bool) -> list[Row]:
    if isinstance(data, str) and form is Format.JSON_LINES:
        return json_lines(data, limit)
    return read_rows(_bytes(data), form, limit=limit, tolerance=tolerance, labelled=labelled)


def _bytes(data: str | bytes) -> bytes:
    return data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data


def shuffled(golden: GoldenSet, seed: str) -> tuple[GoldenItem, ...]:
    """The items in an order that depends on the seed and their ids alone: not on the file's order, results or
    Python's version.

    A sequential test needs an order that knows nothing of the outcomes, and files are often sorted by class.
    """
    return tuple(sorted(golden.items, key=lambda item: sha256(f"{seed}\n{item.id}".encode()).digest()))


def _checked(rows: list[Row], rules: Rules) -> Iterator[tuple[str, GoldenItem] | _Rejection]:
    """Every row as an item or a rejection. Of items with one id the first is kept."""
    seen: dict[str, str] = {}
    for row in rows:
        try:
            if row.problem:
                raise BadItem(Reason.UNREADABLE, row.problem)
            item = item_of(row.raw, rules)
            if item.id in seen:
                raise BadItem(
                    Reason.DUPLICATE_ID,
                    f"id {item.id!r} is that of {seen[item.id]} too: give each item an id of its own",
                )
        except BadItem as bad:
            yield _Rejection(row.place, bad.reason, str(bad))
        else:
            seen[item.id] = row.place
            yield row.place, item


def _of_one_kind(
    found: Iterator[tuple[str, GoldenItem] | _Rejection], classes: frozenset[Scalar] | None
) -> Iterator[GoldenItem | _Rejection]:
    """Rejects items whose labels are of another kind than most, as text and numbers are never equal, or are none of the
    known classes."""
    everything = list(found)
    kinds = Counter(label_kind(one[1]) for one in everything if isinstance(one, tuple))
    usual = kinds.most_common(1)[0][0] if kinds else ""
    for one in everything:
        if isinstance(one, _Rejection):
            yield one
        elif (kind := label_kind(one[1])) != usual:
            problem = f"expected holds {kind} where most items hold {usual}: label all items alike"
            yield _Rejection(one[0], Reason.MIXED_TYPES, problem)
        elif classes is not None and (unknown := [value for value in one[1].expected if value not in classes]):
            problem = f"expected holds {repr(unknown[0])[:40]}, which is none of the {len(classes)} classes"
            yield _Rejection(one[0], Reason.UNKNOWN_CLASS, problem)
        else:
            yield one[1]


def item_of(raw: Any, rules: Rules) -> GoldenItem:
    """The item that a row stands for. Raises BadItem."""
    if isinstance(raw, dict) and "features" in raw and "inputs" not in raw:
        raw = _with_inputs(raw, rules.protocol)
    error = best_match((_BUILT_IN if rules.labelled else _UNLABELLED).iter_errors(raw))
    if error is not None:
        label = raw.get("expected") if isinstance(raw, dict) else 0
        reason = Reason.MISSING_LABEL if label in (None, [], [None]) else Reason.UNREADABLE
        raise BadItem(reason, _explained(error.json_path, error.message))
    if not raw["id"].isprintable():
        raise BadItem(Reason.UNREADABLE, "id has characters that cannot be shown: use letters, digits and signs")
    item = GoldenItem(
        raw["id"], raw["inputs"], tuple(raw["expected"]) if rules.labelled else (), raw.get("slices") or {}
    )
    try:
        rules.protocol.check(item.inputs)
    except (ValueError, OverflowError) as problem:
        raise BadItem(Reason.INPUTS, str(problem)[:300]) from None
    try:
        if rules.schema is not None:
            rules.schema.check(raw)
        _check_request(item, rules)
    except SchemaError as problem:
        raise BadItem(Reason.SCHEMA, str(problem)) from None
    return item


def _with_inputs(raw: Mapping[str, Any], protocol: InferenceProtocol) -> Any:
    try:
        inputs = protocol.inputs(raw["features"])
    except (ValueError, OverflowError) as problem:
        raise BadItem(Reason.INPUTS, str(problem)[:300]) from None
    return {name: value for name, value in raw.items() if name != "features"} | {"inputs": inputs}


def _check_request(item: GoldenItem, rules: Rules) -> None:
    if rules.requests is None:
        return
    content = rules.protocol.question("", item).content
    problem = rules.requests.problem(document(content)) if content is not None else ""
    if problem:
        raise SchemaError(f"the request that it becomes: {problem}")


def label_kind(item: GoldenItem) -> str:
    """What an item's labels are: all items of a set have labels of one kind."""
    texts = sum(isinstance(value, str) for value in item.expected)
    if not texts:
        return "numbers"
    return "text" if texts == len(item.expected) else "both text and numbers"


def _explained(path: str, message: str) -> str:
    place = path.removeprefix("$").removeprefix(".") or "the item"
    return f"{place}: {message if len(message) <= 200 else message[:80] + ' … ' + message[-117:]}"
