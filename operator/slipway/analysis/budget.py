"""One budget of false rollbacks for a whole rollout, and how it is shared out.

Looks and steps are free, because evidence holds at all of them together. Metrics are not: each can fail by itself, so
the probabilities that each does so wrongly add up (Bonferroni), and their sum is what the user was promised. To pass,
all required metrics must, and that needs no correction (an intersection-union test: Berger 1982).
"""

import math
from collections.abc import Mapping


def alpha_budget(confidence: float, weights: Mapping[str, float]) -> dict[str, float]:
    """The `fail_alpha` of each metric by its name: its share, by weight, of 1 - confidence.

    A metric that only observes takes no part. Raises ValueError for a confidence that is no probability and for
    weights that are not above 0.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence} is not between 0 and 1 (both excluded)")
    if not all(0 < weight < math.inf for weight in weights.values()):
        raise ValueError(f"weights: {dict(weights)} are not all above 0 and finite")
    total = math.fsum(weights.values())
    return {name: (1 - confidence) * weight / total for name, weight in weights.items()}
