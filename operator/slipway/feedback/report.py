"""Reports: what became of one answer, as somebody says who learned of it afterwards. Pure.

A report is about one request, which it names by its id, and one revision, which the route names in the answer. It says
that the answer was right or wrong, in words or by the prediction and the label, or gives a reward between 0 and 1.

A reward of 0.7 is counted as right with a probability of 0.7, drawn from the request's id. So rewards are counts like
labels, with the same mean, and what holds for counts holds for them exactly. Log-evidence is linear in a count, so its
expected growth is that of the rewards themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

Kind = Literal["Label", "Reward"]
"""As in ``feedback.kind``: a request may have a report of each."""

MOST_REPORTS: Final = 2000
"""Reports that one request may bring."""

MOST_PROBLEMS: Final = 20
"""Refused reports that an answer tells of one by one."""


class UnreadableError(ValueError):
    """A body in which no reports can be told apart. The message says what it should look like."""


@dataclass(frozen=True, slots=True)
class Report:
    """One report that can be counted. `wrong` says that it speaks against the revision; `made` is when the request was
    made, None when it does not say."""

    request_id: str
    revision: str
    kind: Kind
    wrong: bool
    made: datetime | None = None

    def digest(self) -> bytes:
        """Eight bytes by which a second report on the same request is recognised."""
        return sha256(f"{self.kind}\0{self.request_id}".encode(errors="surrogatepass")).digest()[:8]


@dataclass(frozen=True, slots=True)
class Problem:
    """A report that is refused: which one, counted from 0, and why."""

    item: int
    message: str


Scalar = str | bool | int | float
RequestId = Annotated[str, Field(min_length=1, max_length=256)]


class _Item(BaseModel):
    """A report as it comes in."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    requestId: RequestId  # noqa: N815 - as it is written in JSON
    revision: Annotated[str, Field(min_length=1, max_length=63)]
    outcome: Literal["Right", "Wrong"] | None = None
    reward: Annotated[float, Field(ge=0, le=1)] | None = None
    prediction: Scalar | None = None
    label: Scalar | None = None
    time: Annotated[AwareDatetime, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        labelled = self.prediction is not None and self.label is not None
        if (self.prediction is None) != (self.label is None):
            raise ValueError("prediction and label go together")
        if [self.outcome is not None, self.reward is not None, labelled].count(True) != 1:
            raise ValueError("say exactly one of outcome (Right or Wrong), reward (0 to 1), and prediction with label")
        if labelled and _sort(self.prediction) != _sort(self.label):
            raise ValueError("prediction and label have to be of one type: text, number or truth value")
        return self


def _sort(value: Scalar | None) -> str:
    if isinstance(value, bool):
        return "truth value"
    return "text" if isinstance(value, str) else "number"


def parse(body: bytes, *, lines: bool) -> tuple[list[tuple[int, Report]], list[Problem]]:
    """The reports of a body, each with its place in it, and what is wrong with the others.

    The body is one JSON object, an array of them, or one on each line. Raises UnreadableError.
    """
    reports: list[tuple[int, Report]] = []
    problems: list[Problem] = []
    for place, item in enumerate(_items(body, lines=lines)):
        if place >= MOST_REPORTS:
            raise UnreadableError(f"more than {MOST_REPORTS} reports: send them in parts")
        read = _read(item)
        if isinstance(read, Report):
            reports.append((place, read))
        else:
            problems.append(Problem(place, read))
    if not reports and not problems:
        raise UnreadableError("no report: send a JSON object, an array of them, or one on each line")
    return reports, problems


def _items(body: bytes, *, lines: bool) -> Iterator[Any]:
    if lines:
        return _of_lines(body.splitlines())
    content = _json(body)
    if isinstance(content, UnreadableError):
        raise content
    return iter(content if isinstance(content, list) else [content])


def _of_lines(lines: Iterable[bytes]) -> Iterator[Any]:
    return (_json(line) for line in lines if line.strip())


def _json(text: bytes) -> Any:
    """The value; the error as a value for what is no JSON, so that one bad line does not cost the others."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return UnreadableError(f"not JSON: {error}")


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _read(item: Any) -> Report | str:
    if isinstance(item, UnreadableError):
        return str(item)
    if not isinstance(item, dict):
        return "a report is a JSON object"
    try:
        read = _Item.model_validate(item)
    except ValidationError as error:
        said = error.errors(include_url=False, include_input=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'report'}: {one['msg']}" for one in said[:4])
    try:
        made = read.time.astimezone(UTC) if read.time is not None else None
    except OverflowError:
        return f"time: {read.time} is out of range"
    if read.reward is not None:
        wrong = _drawn(read.revision, read.requestId) >= read.reward
        return Report(read.requestId, read.revision, "Reward", wrong, made)
    wrong = read.outcome == "Wrong" if read.outcome is not None else read.prediction != read.label
    return Report(read.requestId, read.revision, "Label", wrong, made)


def _drawn(revision: str, request_id: str) -> float:
    """A number in [0, 1) that the request alone decides, so that a second report draws the same."""
    digest = sha256(f"drawn\0{revision}\0{request_id}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
