"""The sequences that are drawn from seeds, in four shares: one for each process that a run of all tests has.

A process takes whole modules, so each share has a module of its own. A share comes in parts, each a test.

SLIPWAY_SEQUENCES sets how many sequences there are.
"""

from __future__ import annotations

import os

import pytest
from unit.rollout.sequences import drawn, failure_of, shortened

SEQUENCES = int(os.environ.get("SLIPWAY_SEQUENCES", "20000" if "CI" in os.environ else "2000"))
SHARES = 4
PARTS = 5


def parts_of(share: int) -> list[range]:
    """The seeds of each part of a share, which counts from 1."""
    cuts = [SEQUENCES * cut // (SHARES * PARTS) for cut in range(SHARES * PARTS + 1)]
    return [range(cuts[part], cuts[part + 1]) for part in range((share - 1) * PARTS, share * PARTS)]


def run_drawn(seeds: range) -> None:
    """Run the sequences of these seeds; the first that fails is cut down to what matters, and shown."""
    for seed in seeds:
        beginning, disturbances = drawn(seed)
        failure = failure_of(beginning, disturbances)
        if failure is not None:
            pytest.fail(f"seed {seed}: {failure}\nrun({beginning!r}, {shortened(beginning, disturbances)})")
