"""One number for a whole release, held against a limit: a heuristic, and the only gate here without an error guarantee.

A number without a sample size carries no evidence: nobody can say how far it is off by chance. What can be asked is
that it stays on one side of its limit for some time, which keeps a spike from deciding and nothing more.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis.vectors import EvidenceError, Vectors, read, read_counts, read_flags
from slipway.analysis.verdict import Estimate, Judgement, Measure, Verdict


@dataclass(frozen=True, slots=True)
class SteadyEvidence:
    """How long a number has been `beyond` its limit or `within`, in seconds up to the last reading.

    The limit is the largest value that is accepted, or the smallest where `is_minimum`.
    """

    limit: float
    is_minimum: bool
    duration: float
    value: float = 0.0
    readings: int = 0
    beyond: float = 0.0
    within: float = 0.0
    failed: bool = False

    @classmethod
    def begin(cls, *, maximum: float | None = None, minimum: float | None = None, duration: float) -> Self:
        """Nothing read yet; `duration` is how many seconds on one side of the limit make a verdict.

        Raises ValueError when there is not one limit, finite, and a duration above 0.
        """
        if (maximum is None) == (minimum is None):
            raise ValueError("limit: a number is held against one limit, a maximum or a minimum")
        limit = maximum if maximum is not None else minimum
        if limit is None or not math.isfinite(limit):
            raise ValueError(f"limit: {limit} is not a finite number")
        if not 0 < duration < math.inf:
            raise ValueError(f"duration: {duration} is no length of time above 0")
        return cls(float(limit), minimum is not None, float(duration))

    def fold(self, value: float, *, seconds: float) -> Self:
        """The state with one more reading, so many seconds after the one before.

        The time between two readings counts for a side when both are on it. Raises ValueError for a value that is not
        finite and for a time that is none.
        """
        if not math.isfinite(value) or not 0 <= seconds < math.inf:
            raise ValueError(f"value: {value} after {seconds} s is not a finite number after a length of time")
        if self.failed:
            return self
        was_beyond = self.readings > 0 and self._is_beyond(self.value)
        was_within = self.readings > 0 and not was_beyond
        beyond = self._is_beyond(value)
        folded = replace(
            self,
            value=value,
            readings=self.readings + 1,
            beyond=self.beyond + seconds if beyond and was_beyond else 0.0,
            within=self.within + seconds if not beyond and was_within else 0.0,
        )
        return replace(folded, failed=folded.beyond >= self.duration)

    def _is_beyond(self, value: float) -> bool:
        return value < self.limit if self.is_minimum else value > self.limit

    def judge(self) -> Judgement:
        """Fail after the duration beyond the limit, Pass after it within. Doubtful while the last reading is beyond."""
        verdict = Verdict.PASS if self.within >= self.duration else Verdict.CONTINUE
        if self.failed or not self.readings:
            verdict = Verdict.FAIL if self.failed else Verdict.NO_DATA
        side, spent = ("beyond", self.beyond) if self._is_beyond(self.value) else ("within", self.within)
        kind = "min" if self.is_minimum else "max"
        reading = f"value={self.value:.4g} ({kind} {self.limit:.4g})"
        message = f"{reading}, {side} for {spent:.0f} of {self.duration:.0f} s; a heuristic without an error guarantee"
        return Judgement(
            verdict=verdict,
            message=message if self.readings else "no reading yet",
            evidence=self.within if verdict is Verdict.PASS else self.beyond,
            needed=self.duration,
            candidate_samples=self.readings,
            stable_samples=0,
            difference=None,
            samples_sufficient=max(self.within, self.beyond) >= self.duration,
            doubtful=self.readings > 0 and not self.failed and self._is_beyond(self.value),
            estimate=Estimate(Measure.VALUE, self.value, None, None, self.limit) if self.readings else None,
        )

    def to_vectors(self) -> Vectors:
        """The state as named vectors of finite numbers."""
        return {
            "limit": (self.limit, self.duration),
            "reading": (self.value, float(self.readings)),
            "sides": (self.beyond, self.within),
            "flags": (float(self.is_minimum), float(self.failed)),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such a state."""
        limit, duration = read(vectors, "limit", 2)
        value, readings = read(vectors, "reading", 2)
        beyond, within = read(vectors, "sides", 2)
        is_minimum, failed = read_flags(vectors, "flags", 2)
        if duration <= 0 or beyond < 0 or within < 0:
            raise EvidenceError(f"sides: {beyond} s beyond and {within} s within of {duration} s make no state")
        (counted,) = read_counts({"reading": (readings,)}, "reading", 1)
        return cls(limit, is_minimum, duration, value, counted, beyond, within, failed)
