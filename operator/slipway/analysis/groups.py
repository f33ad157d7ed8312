"""A golden set by groups: a candidate that is good on the whole and bad for some is bad.

Each group is judged by the gates of the whole set, and the worst one decides. Every group is one more chance of a
false Fail, so the probability of one is shared out: a half for the whole set, a half for all groups together, each of
them the same part (Bonferroni). How many groups are judged follows from the sizes of the groups, which are known before
the first answer. To pass, the whole set has to; a group is a guardrail, since to prove safety for each would take as
many items in each as in a whole set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

from slipway.analysis import wording
from slipway.analysis.golden import GoldenCounts, SingleEvidence
from slipway.analysis.paired import PairedBatch, PairedEvidence
from slipway.analysis.vectors import EvidenceError, Vectors
from slipway.analysis.verdict import Gates, Judgement, Verdict

MIN_GROUP_ITEMS: Final = 30
"""A group of fewer items is told of and not judged: it would take a part of the alpha, and could hardly ever fail."""

MAX_GROUPS: Final = 64
"""Most groups of a golden set: what a status can hold, and what is left of the alpha for each."""

_PAIRED: Final = {"size": 1, "counts": 5, "comparison": 2, "accuracy": 2}
_SINGLE: Final = {"size": 1, "counts": 3, "accuracy": 2}


class GroupName(NamedTuple):
    """Which group, of which kind of groups: ``country=de``."""

    slice: str
    group: str

    def __str__(self) -> str:
        return f"{self.slice}={self.group}"


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """What came of the items of one group in one batch; `size` is how many the whole set has of them."""

    name: GroupName
    size: int
    counts: PairedBatch


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """How one group stands; rates are fractions, and None before there is an answer or where there is no stable.

    A group that is too small to be judged has no data, whatever was counted.
    """

    name: GroupName
    size: int
    items: int
    candidate: float | None
    stable: float | None
    verdict: Verdict
    sentence: str


@dataclass(frozen=True, slots=True)
class GroupedEvidence:
    """What a golden set says of the candidate on the whole, and in each group."""

    whole: PairedEvidence | SingleEvidence
    groups: Mapping[GroupName, PairedEvidence | SingleEvidence]

    @classmethod
    def begin(
        cls, gates: Gates, size: int, sizes: Mapping[GroupName, int], *, paired: bool, further_tests: int = 0
    ) -> Self:
        """No evidence yet, from a set of `size` items with groups of these sizes.

        The probability of a false Fail is divided evenly between the whole set, all groups together and each of
        `further_tests` that can fail the same metric. Without a stable arm (`paired` is false) the gates that compare
        are left out. Raises ValueError for an empty set or group, for gates that it cannot meet, and for more than
        `MAX_GROUPS` groups.
        """
        if len(sizes) > MAX_GROUPS:
            raise ValueError(f"groups: {len(sizes)} are more than {MAX_GROUPS}")
        judged = sum(1 for size in sizes.values() if size >= MIN_GROUP_ITEMS)
        used = gates if paired else replace(gates, comparison_margin=None, non_inferiority_margin=None)
        own = replace(used, fail_alpha=gates.fail_alpha / (1 + bool(judged) + further_tests))
        kind = PairedEvidence if paired else SingleEvidence
        part = _part(own, judged)
        return cls(kind.begin(own, size), {name: kind.begin(part, size) for name, size in sorted(sizes.items())})

    def fold(self, batch: PairedBatch, groups: Sequence[GroupCounts] = ()) -> Self:
        """The evidence with some more items, and how they are spread over the groups.

        Raises ValueError for more items than the set, or a group, has, and for a group that it does not have.
        """
        unknown = [str(part.name) for part in groups if part.name not in self.groups]
        if unknown:
            raise ValueError(f"groups: {', '.join(unknown)} were not there at the beginning")
        folded = {part.name: _folded(self.groups[part.name], part.counts) for part in groups}
        return replace(self, whole=_folded(self.whole, batch), groups={**self.groups, **folded})

    @property
    def counts(self) -> PairedBatch | GoldenCounts:
        """What came of all items."""
        return self.whole.counts

    @property
    def used(self) -> int:
        """How many items of the set were replayed."""
        return self.whole.counts.used

    @property
    def exhausted(self) -> bool:
        """True when no item is left."""
        return self.whole.exhausted

    def standings(self) -> tuple[GroupStanding, ...]:
        """How each group stands, in the order of their names."""
        return tuple(_standing(name, evidence) for name, evidence in self.groups.items())

    def judge(self) -> Judgement:
        """The verdict on the whole set, unless a group fails."""
        whole = self.whole.judge()
        if not self.groups:
            return whole
        standings = [one for one in self.standings() if one.size >= MIN_GROUP_ITEMS]
        small = len(self.groups) - len(standings)
        left_out = [f"not judged for fewer than {MIN_GROUP_ITEMS} items: {small} of the groups"] if small else []
        failed = [one for one in standings if one.verdict is Verdict.FAIL]
        answered = [one for one in standings if one.candidate is not None]
        worst = max(failed or answered, key=_badness, default=None)
        if worst is None:
            return replace(whole, message="; ".join([whole.message, *left_out]))
        place = f"worst of {len(standings)} groups, {worst.name}: {worst.sentence}"
        if failed and whole.verdict is not Verdict.FAIL:
            decisive = self.groups[worst.name].judge()
            message = "; ".join([place, f"the whole set: {whole.message}", *left_out])
            return replace(
                whole,
                verdict=Verdict.FAIL,
                message=message,
                evidence=decisive.evidence,
                needed=decisive.needed,
                samples_sufficient=True,
            )
        return replace(whole, message="; ".join([whole.message, place, *left_out]))

    def group_states(self) -> Mapping[GroupName, tuple[float, ...]]:
        """What has to be kept of each group beside the vectors of the whole set."""
        return {
            name: tuple(value for part in _layout(evidence) for value in evidence.to_vectors()[part])
            for name, evidence in self.groups.items()
        }

    @classmethod
    def restore(cls, vectors: Vectors, states: Mapping[GroupName, Sequence[float]], *, paired: bool) -> GroupedEvidence:
        """The inverse of ``whole.to_vectors()`` and `group_states`. Raises EvidenceError when they are not such."""
        kind = PairedEvidence if paired else SingleEvidence
        whole = kind.from_vectors(vectors)
        layout = _PAIRED if paired else _SINGLE
        judged = sum(1 for state in states.values() if state and state[0] >= MIN_GROUP_ITEMS)
        part = dict(kind.begin(_part(whole.gates, judged), 1).to_vectors())
        return cls(
            whole, {name: kind.from_vectors(part | _parts(name, states[name], layout)) for name in sorted(states)}
        )


def _part(gates: Gates, judged: int) -> Gates:
    """The gates as one of so many groups is judged by them."""
    return replace(gates, fail_alpha=gates.fail_alpha / max(1, judged), min_samples=1)


def _layout(evidence: PairedEvidence | SingleEvidence) -> Mapping[str, int]:
    return _PAIRED if isinstance(evidence, PairedEvidence) else _SINGLE


def _parts(name: GroupName, state: Sequence[float], layout: Mapping[str, int]) -> dict[str, tuple[float, ...]]:
    if len(state) != sum(layout.values()):
        raise EvidenceError(f"{name}: {len(state)} numbers where {sum(layout.values())} belong")
    found, begin = {}, 0
    for vector, length in layout.items():
        found[vector] = tuple(state[begin : begin + length])
        begin += length
    return found


def _folded(evidence: PairedEvidence | SingleEvidence, counts: PairedBatch) -> PairedEvidence | SingleEvidence:
    if isinstance(evidence, PairedEvidence):
        return evidence.fold(counts)
    right, wrong = counts.wins + counts.ties_right, counts.losses + counts.ties_wrong
    return evidence.fold(right, wrong, counts.excluded)


def _standing(name: GroupName, evidence: PairedEvidence | SingleEvidence) -> GroupStanding:
    size, counts = evidence.size or 0, evidence.counts
    if isinstance(counts, PairedBatch):
        wrong, stable = counts.candidate, 1 - counts.stable.rate if counts.items else None
    else:
        wrong, stable = counts.answers, None
    judgement = evidence.judge()
    return GroupStanding(
        name=name,
        size=size,
        items=wrong.total,
        candidate=1 - wrong.rate if wrong.total else None,
        stable=stable,
        verdict=judgement.verdict if size >= MIN_GROUP_ITEMS else Verdict.NO_DATA,
        sentence=_sentence(evidence, judgement),
    )


def _sentence(evidence: PairedEvidence | SingleEvidence, judgement: Judgement) -> str:
    """The numbers of one group. What it is short of a proof for is no matter of a group: it is a guardrail."""
    if judgement.verdict is Verdict.FAIL or isinstance(evidence, SingleEvidence):
        return judgement.message
    counts = evidence.counts
    candidate, stable = wording.percent(1 - counts.candidate.rate), wording.percent(1 - counts.stable.rate)
    return (
        f"n={counts.items} of {evidence.size}{wording.excluded(counts.excluded)}, accuracy {candidate} beside stable's "
        f"{stable}, {counts.losses} lost and {counts.wins} won"
    )


def _badness(standing: GroupStanding) -> tuple[float, float, GroupName]:
    """Of two groups the worse one is greater: by what it lost beside stable, else by its accuracy."""
    candidate = standing.candidate or 0.0
    beside = 1.0 if standing.stable is None else standing.stable
    return (beside - candidate, -candidate, standing.name)
