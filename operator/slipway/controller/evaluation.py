"""What a Job has found: the JSON that it left, read as what it is, somebody else's text."""

from __future__ import annotations

import json
from typing import Annotated, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from slipway.analysis import MAX_GROUPS

MAX_BYTES: Final = 4096
"""What a cluster keeps of a termination message."""

Count = Annotated[int, Field(ge=0, le=1_000_000_000, strict=True)]
GroupTold = Annotated[list[Count], Field(min_length=5, max_length=5)]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class ResultError(ValueError):
    """A Job's result cannot be used. The message says why."""


class Result(BaseModel):
    """Base of all results: what nobody asked for is an error, as it may be a misspelt count."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class ItemsResult(Result):
    """What became of labelled items: in pairs, where both arms were asked, or of the candidate alone."""

    losses: Count | None = None
    wins: Count | None = None
    ties_right: Count | None = None
    ties_wrong: Count | None = None
    right: Count | None = None
    wrong: Count | None = None
    excluded: Count = 0

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        pairs = [count is not None for count in (self.losses, self.wins, self.ties_right, self.ties_wrong)]
        alone = [count is not None for count in (self.right, self.wrong)]
        if not ((all(pairs) and not any(alone)) or (all(alone) and not any(pairs))):
            raise ValueError("it takes either losses, wins, tiesRight and tiesWrong, or right and wrong")
        return self

    @property
    def paired(self) -> bool:
        """Whether both arms were asked."""
        return self.losses is not None

    @property
    def items(self) -> int:
        """How many items were asked."""
        counts = (self.losses, self.wins, self.ties_right, self.ties_wrong, self.right, self.wrong, self.excluded)
        return sum(count or 0 for count in counts)


class CountsOfArm(Result):
    """Bad outcomes among all of one arm."""

    bad: Count
    total: Count

    @model_validator(mode="after")
    def _part_of_the_whole(self) -> Self:
        if self.bad > self.total:
            raise ValueError(f"{self.bad} bad outcomes are more than there are ({self.total})")
        return self


class CountsResult(Result):
    """What a Job of the user counted: of the candidate alone, or of both arms."""

    bad: Count | None = None
    total: Count | None = None
    candidate: CountsOfArm | None = None
    stable: CountsOfArm | None = None

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        alone = [count is not None for count in (self.bad, self.total)]
        arms = [arm is not None for arm in (self.candidate, self.stable)]
        if not ((all(alone) and not any(arms)) or (all(arms) and not any(alone))):
            raise ValueError("it takes either bad and total, or candidate and stable with bad and total each")
        if self.bad is not None and self.total is not None:
            CountsOfArm(bad=self.bad, total=self.total)
        return self

    def arm(self) -> CountsOfArm:
        """The candidate's."""
        return self.candidate or CountsOfArm(bad=self.bad or 0, total=self.total or 0)


class GoldenResult(ItemsResult):
    """What `slipway evaluate` found."""

    dataset: Annotated[str, Field(min_length=1, max_length=256, description="Digest of the golden set.")]
    version: Annotated[str, Field(max_length=128)] = ""
    examples: Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=5)] = []
    left_out: Annotated[str, Field(max_length=512)] = ""
    groups: Annotated[
        dict[Name, Annotated[dict[Name, GroupTold], Field(max_length=MAX_GROUPS)]], Field(max_length=4)
    ] = {}
    """By kind and group: losses, wins, ties right, ties wrong and excluded; of the candidate alone wrong, right, 0, 0
    and excluded."""

    @model_validator(mode="after")
    def _no_group_is_more_than_the_whole(self) -> Self:
        for kind, groups in self.groups.items():
            if sum(map(sum, groups.values())) > self.items:
                raise ValueError(f"the groups of {kind!r} have more items than there are")
        return self

    def text(self) -> str:
        """As JSON, with as many examples as there is room for. Raises ResultError where not even the groups fit."""
        for kept in range(len(self.examples), -1, -1):
            text = _json(self.model_copy(update={"examples": self.examples[:kept]}))
            if len(text.encode()) < MAX_BYTES:
                return text
        text = _json(self.model_copy(update={"examples": [], "left_out": ""}))
        if len(text.encode()) >= MAX_BYTES:
            raise ResultError(f"the counts of all groups take more than {MAX_BYTES} bytes: name fewer slices")
        return text


def _json(result: Result) -> str:
    return result.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)


R = TypeVar("R", bound=Result)


def read_result(text: str, model: type[R]) -> R:
    """The result that a Job left. Raises ResultError for what is no JSON, is cut off, or holds anything but what the
    model names: NaN, negative counts and counts with a fraction among it."""
    if not text.strip():
        raise ResultError("it left no result: it has to write JSON to the file that SLIPWAY_RESULT names")
    if len(text.encode()) >= MAX_BYTES:
        raise ResultError(f"its result is longer than {MAX_BYTES - 1} bytes, and was cut off")
    try:
        return model.model_validate(json.loads(text, parse_constant=_no_number))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"its result is not as it should be: {where + ': ' if where else ''}{first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise ResultError(f"its result is no JSON ({str(error)[:120]}): {text[:80]!r}") from None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number to judge by")
