"""What single pods say beside the sums: whether harm is the release's or one pod's, and how bursty errors are.

Windows are as short as one likes to look; ranks and variances need blocks long enough for something to happen in each.
So the counts of each pod are collected until a block is full, and then compared. A pod is remembered by a number made
of its name, since state is numbers alone.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis.dispersion import Dispersion
from slipway.analysis.eprocess import ArmCounts, Mixture, expected_rate
from slipway.analysis.ranks import FALLS, log_rank_bets
from slipway.analysis.vectors import EvidenceError, Vectors, mixture_vector, read, read_counts, read_mixture, whole

RANK_SECONDS = 30.0
"""Length of a block in which pods are ranked."""

DISPERSION_SECONDS = 60.0
"""Length of the blocks, of two of those, in which the variance between pods is measured: a burst should fit in."""

MOST_PODS = 16
"""Pods an arm that take part, the first by a hash of their names: more would not decide sooner."""

RANK_NEEDED = 10.0
"""Evidence of ranks that confirms harm. It guards against one bad pod, not against chance, which 1/alpha does."""

SEVERE = 0.2
"""A difference of rates that no minute of one pod explains while stable is at its usual level."""

SEVERE_WINDOWS = 2
"""In so many windows in a row."""

NUMBER_BYTES = 6
"""Bytes of a hash that make a pod's number: few enough for a double to hold exactly."""

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class PodWindow:
    """One window's requests by pod, by the pods' names, on each arm."""

    candidate: Mapping[str, ArmCounts]
    stable: Mapping[str, ArmCounts]


@dataclass(frozen=True, slots=True)
class Block:
    """The requests of one arm's pods since a block began, as (number, bad, total)."""

    seconds: float = 0.0
    pods: tuple[Triple, ...] = ()

    @classmethod
    def of(cls, window: Mapping[str, ArmCounts], seconds: float) -> "Block":
        """A block of one window."""
        return cls(seconds, tuple((_number(name), counts.bad, counts.total) for name, counts in window.items()))

    def plus(self, other: "Block") -> "Block":
        """Both, one after the other."""
        sums = {number: (bad, total) for number, bad, total in self.pods}
        for number, bad, total in other.pods:
            before = sums.get(number, (0, 0))
            sums[number] = (before[0] + bad, before[1] + total)
        return Block(
            self.seconds + other.seconds, tuple((number, *sums[number]) for number in sorted(sums)[:MOST_PODS])
        )

    @property
    def counts(self) -> list[ArmCounts]:
        """The counts of each pod, in an order that their names fix."""
        return [ArmCounts(bad, total) for _, bad, total in self.pods]

    def vector(self) -> tuple[float, ...]:
        """The seconds, then three numbers a pod."""
        return (self.seconds, *(float(value) for triple in self.pods for value in triple))


EMPTY = Block()
"""A block that begins now."""


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=NUMBER_BYTES).digest())


@dataclass(frozen=True, slots=True)
class PodCheck:
    """Whether harm that the requests show is confirmed by pods; `severe` counts the last windows of great harm."""

    rank: Mixture
    candidate: Block = EMPTY
    stable: Block = EMPTY
    minute: Block = EMPTY
    severe: int = 0

    @classmethod
    def begin(cls, *, invested: float) -> Self:
        """Nothing known, with `invested` of the capital on ranks and the rest kept for later starts."""
        return cls(Mixture.of(len(FALLS), invested=invested))

    @property
    def confirms(self) -> bool:
        """True when harm is not that of one pod alone, or too great to wait for more blocks."""
        return self.severe >= SEVERE_WINDOWS or self.rank.log_evidence >= math.log(RANK_NEEDED)

    def after(self, pods: PodWindow, seconds: float, dispersion: Dispersion) -> tuple[Self, Dispersion]:
        """The check and the dispersion with the pods of one more window: full blocks are ranked, full minutes measured.

        Raises ValueError when the window took no time: its blocks would never be full.
        """
        if not 0 < seconds < math.inf:
            raise ValueError(f"seconds: pods are compared in blocks of time, and {seconds} fills none")
        candidate = self.candidate.plus(Block.of(pods.candidate, seconds))
        stable = self.stable.plus(Block.of(pods.stable, seconds))
        if candidate.seconds < RANK_SECONDS:
            return replace(self, candidate=candidate, stable=stable), dispersion
        ranked = self.rank.after(log_rank_bets(candidate.counts, stable.counts))
        minute = self.minute.plus(stable)
        if minute.seconds >= DISPERSION_SECONDS:
            minute, dispersion = EMPTY, dispersion.after_pods(minute.counts)
        return replace(self, rank=ranked, candidate=EMPTY, stable=EMPTY, minute=minute), dispersion

    def compared(self, candidate: ArmCounts, stable: ArmCounts, earlier: ArmCounts) -> Self:
        """The check with the sums of one more window, `earlier` being all of stable's before it."""
        usual = expected_rate(earlier) * stable.total
        calm = stable.bad <= usual + 3 * math.sqrt(usual) + 1
        severe = calm and candidate.rate - stable.rate > SEVERE
        return replace(self, severe=min(self.severe + 1, SEVERE_WINDOWS) if severe else 0)

    def start(self, share: float) -> Self:
        """A new weight begins: part of the capital is bet from here on."""
        return replace(self, rank=self.rank.start(share))

    def to_vectors(self) -> dict[str, tuple[float, ...]]:
        """The check as named vectors."""
        return {
            "pods.rank": mixture_vector(self.rank),
            "pods.candidate": self.candidate.vector(),
            "pods.stable": self.stable.vector(),
            "pods.minute": self.minute.vector(),
            "pods.severe": (float(self.severe),),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self | None:
        """The inverse of `to_vectors`; None when there was no check.

        Raises EvidenceError when the vectors are not such a check.
        """
        if not any(name.startswith("pods.") for name in vectors):
            return None
        return cls(
            read_mixture(vectors, "pods.rank", len(FALLS)),
            _read_block(vectors, "pods.candidate"),
            _read_block(vectors, "pods.stable"),
            _read_block(vectors, "pods.minute"),
            read_counts(vectors, "pods.severe", 1)[0],
        )


def _read_block(vectors: Vectors, name: str) -> Block:
    length = len(vectors.get(name, (0.0,)))
    if length % 3 != 1 or length > 1 + 3 * MOST_PODS:
        raise EvidenceError(f"{name}: {length} numbers are not the seconds and three numbers a pod")
    seconds, *numbers = read(vectors, name, length)
    if seconds < 0:
        raise EvidenceError(f"{name}: {seconds} seconds are not a length of time")
    triples = []
    for index in range(0, len(numbers), 3):
        number, bad, total = (whole(value, name) for value in numbers[index : index + 3])
        if bad > total:
            raise EvidenceError(f"{name}: {bad} bad of {total}")
        triples.append((number, bad, total))
    return Block(seconds, tuple(triples))
