"""When a prediction is right. Pure: a match is a function of what was expected and what was predicted.

Whatever cannot be compared is wrong, and no error: a candidate that answers with text where numbers are expected has
answered wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from slipway.probes.protocol import Scalar

_ROUNDING: Final = 1e-9
"""1.1 is within 0.1 of 1, though not in binary."""

Match = Callable[[Sequence[Scalar], Sequence[Scalar]], bool]
"""Whether a prediction, the second, is right given what was expected, the first."""


def exact(expected: Sequence[Scalar], predicted: Sequence[Scalar]) -> bool:
    """All values equal: 1, 1.0 and true are one value, text equals only text."""
    return tuple(expected) == tuple(predicted)


def same_text(expected: Sequence[Scalar], predicted: Sequence[Scalar]) -> bool:
    """Equal but for case, and for how words are spaced; numbers are compared by their text."""
    return [_plain(one) for one in expected] == [_plain(one) for one in predicted]


def within(*, absolute: float = 0.0, relative: float = 0.0) -> Match:
    """Every value at most `absolute`, or at most `relative` of what was expected, from it. Text has to be equal.

    Raises ValueError for limits that are negative or no numbers.
    """
    if not (0 <= absolute < math.inf and 0 <= relative < math.inf):
        raise ValueError(f"a tolerance of {absolute} absolute and {relative} relative is none: give numbers from 0 on")

    def match(expected: Sequence[Scalar], predicted: Sequence[Scalar]) -> bool:
        if len(expected) != len(predicted):
            return False
        return all(_near(one, other, absolute, relative) for one, other in zip(expected, predicted, strict=True))

    return match


def most_likely(expected: Sequence[Scalar], predicted: Sequence[Scalar]) -> bool:
    """The prediction is a probability, or a score, for each class, and the class that was expected, by its number, has
    the highest. A tie is wrong, as is a class that the model does not know."""
    if len(expected) != 1 or isinstance(expected[0], str) or not all(map(_is_number, predicted)):
        return False
    label = expected[0]
    if label != int(label) or not 0 <= label < len(predicted):
        return False
    best = predicted[int(label)]
    return sum(value >= best for value in predicted) == 1  # type: ignore[operator]


def embedding_within(limit: float) -> Match:
    """The vectors are at most `limit` apart in cosine distance. Raises ValueError for a limit outside of 0 to 2."""
    if not 0 <= limit <= 2:
        raise ValueError(f"a cosine distance of {limit} is none: give a number from 0 to 2")
    return lambda expected, predicted: (
        (distance := cosine_distance(expected, predicted)) is not None and distance <= limit
    )


def cosine_distance(one: Sequence[Scalar], other: Sequence[Scalar]) -> float | None:
    """One minus the cosine of the angle between two vectors, from 0 to 2. None where they have no angle: other
    lengths, text, or nothing but zeros."""
    if len(one) != len(other) or not all(map(_is_number, (*one, *other))):
        return None
    try:
        first, second = [float(value) for value in one], [float(value) for value in other]
        scales = max(map(abs, first), default=0.0), max(map(abs, second), default=0.0)
        if not all(scales) or not all(map(math.isfinite, scales)):
            return None
        first, second = [value / scales[0] for value in first], [value / scales[1] for value in second]
    except OverflowError:
        return None
    dot = math.fsum(a * b for a, b in zip(first, second, strict=True))
    return min(2.0, max(0.0, 1.0 - dot / (math.hypot(*first) * math.hypot(*second))))


def _plain(value: Scalar) -> str:
    return " ".join(str(value).casefold().split())


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _near(expected: Scalar, predicted: Scalar, absolute: float, relative: float) -> bool:
    if isinstance(expected, str) or isinstance(predicted, str):
        return expected == predicted
    if expected == predicted:
        return True
    try:
        return abs(expected - predicted) <= max(absolute, relative * abs(expected)) * (1.0 + _ROUNDING)
    except OverflowError:
        return False
