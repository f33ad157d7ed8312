"""How evidence is written down: named vectors of finite numbers, and nothing else.

They live in a custom resource's status, so they are plain JSON numbers (no infinities, no NaN), and a double survives
the trip unchanged. What is read back is checked as if a stranger had written it, since anyone with kubectl can.
"""

import math
from collections.abc import Mapping
from dataclasses import fields

from slipway.analysis.dispersion import Dispersion
from slipway.analysis.eprocess import ArmCounts, Mixture
from slipway.analysis.verdict import Gates

Vectors = Mapping[str, tuple[float, ...]]
"""Named vectors of finite numbers."""


NUMBERS = {int, float}
"""What JSON makes of a number."""

LARGEST_COUNT = 2.0**53
"""Beyond it, doubles skip whole numbers."""


class EvidenceError(ValueError):
    """Stored evidence that cannot be read; the message names the vector and what is wrong with it.

    There is no repair: whoever holds it starts new evidence.
    """


def gate_vectors(gates: Gates) -> dict[str, tuple[float, ...]]:
    """The gates, one vector each; a gate that is not set has none."""
    values = {field.name: getattr(gates, field.name) for field in fields(gates)}
    return {f"gate.{name}": (float(value),) for name, value in values.items() if value is not None}


def read_gates(vectors: Vectors) -> Gates:
    """The inverse of `gate_vectors`.

    Raises EvidenceError when a number is missing or no gate could have it.
    """
    values = {name.removeprefix("gate."): read(vectors, name, 1)[0] for name in vectors if name.startswith("gate.")}
    unknown = values.keys() - {field.name for field in fields(Gates)}
    if unknown or "min_samples" not in values:
        raise EvidenceError(f"gates: {', '.join(sorted(unknown)) or 'min_samples'} is unknown or missing")
    try:
        return Gates(**{**values, "min_samples": whole(values["min_samples"], "gate.min_samples")})  # type: ignore[arg-type]
    except ValueError as problem:
        raise EvidenceError(f"gates: {problem}") from problem


def read(vectors: Vectors, name: str, length: int) -> tuple[float, ...]:
    """The vector of that name as finite floats.

    Raises EvidenceError when it is missing, of another length, or not of finite numbers.
    """
    values = vectors.get(name)
    if values is None:
        raise EvidenceError(f"{name}: missing")
    if len(values) != length:
        raise EvidenceError(f"{name}: {len(values)} numbers where {length} belong")
    if not set(map(type, values)) <= NUMBERS or not all(map(math.isfinite, values)):
        raise EvidenceError(f"{name}: {list(values)} are not all finite numbers")
    return tuple(map(float, values))


def whole(value: float, name: str) -> int:
    """A count.

    Raises EvidenceError when the number is negative, not whole, or so large that a double cannot count on from it.
    """
    if not 0 <= value < LARGEST_COUNT or not value.is_integer():
        raise EvidenceError(f"{name}: {value} is not a count")
    return int(value)


def read_counts(vectors: Vectors, name: str, length: int) -> tuple[int, ...]:
    """A vector of counts. Raises EvidenceError as `read` and `whole` do."""
    return tuple(whole(value, name) for value in read(vectors, name, length))


def read_flags(vectors: Vectors, name: str, length: int) -> tuple[bool, ...]:
    """A vector of truths. Raises EvidenceError for a number that is neither 0 nor 1."""
    values = read(vectors, name, length)
    if not set(values) <= {0.0, 1.0}:
        raise EvidenceError(f"{name}: {list(values)} are not all 0 or 1")
    return tuple(map(bool, values))


def arm_vector(counts: ArmCounts) -> tuple[float, ...]:
    """One arm's counts."""
    return (float(counts.bad), float(counts.total))


def read_arm(vectors: Vectors, name: str) -> ArmCounts:
    """The inverse of `arm_vector`. Raises EvidenceError for counts that contradict each other."""
    return arm(name, *read(vectors, name, 2))


def arm(name: str, bad: float, total: float) -> ArmCounts:
    """Counts out of two numbers of a vector. Raises EvidenceError when they are none or contradict each other."""
    try:
        return ArmCounts(whole(bad, name), whole(total, name))
    except EvidenceError:
        raise
    except ValueError as problem:
        raise EvidenceError(f"{name}: {problem}") from problem


def mixture_vector(mixture: Mixture) -> tuple[float, ...]:
    """Cash first, then the log-capital of each bet."""
    return (mixture.cash, *mixture.logs)


def dispersion_vector(dispersion: Dispersion) -> tuple[float, ...]:
    """The sums, then the window before."""
    return (dispersion.chi_square, dispersion.degrees, *arm_vector(dispersion.last))


def read_dispersion(vectors: Vectors, name: str) -> Dispersion | None:
    """The inverse of `dispersion_vector`; None when there is no such vector. Raises EvidenceError for negative sums."""
    if name not in vectors:
        return None
    chi_square, degrees, bad, total = read(vectors, name, 4)
    if chi_square < 0 or degrees < 0:
        raise EvidenceError(f"{name}: {chi_square} of {degrees} degrees of freedom is no chi-square")
    return Dispersion(chi_square, degrees, arm(name, bad, total))


def read_mixture(vectors: Vectors, name: str, bets: int) -> Mixture:
    """The inverse of `mixture_vector`. Raises EvidenceError when the cash is none that could be left."""
    return mixture(read(vectors, name, 1 + bets), name)


def mixture(numbers: tuple[float, ...], name: str) -> Mixture:
    """Cash and logarithms out of a vector's numbers. Raises EvidenceError when the cash is none that could be left."""
    if not 0 <= numbers[0] <= 1:
        raise EvidenceError(f"{name}: cash of {numbers[0]} is not in [0, 1]")
    return Mixture(numbers[1:], numbers[0])
