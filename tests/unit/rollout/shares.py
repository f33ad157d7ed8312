"""The sequences that are drawn from seeds, in four shares, for the processes of a run of all tests.

A process takes whole modules, so each share has a module of its own. A share comes in parts, each a test.

SLIPWAY_SEQUENCES sets how many sequences there are. The seeds are the same in every run of the same number, so the long
run is made at night: it finds what a change lets in, and no more on the second time.
"""

from __future__ import annotations

import os

import pytest
from unit.rollout.sequences import BEGINNINGS, drawn, failure_of, shortened

SEQUENCES = int(os.environ.get("SLIPWAY_SEQUENCES", "20000" if os.environ.get("SLIPWAY_NIGHTLY") else "4000"))
SHARES = 4
PARTS = 5


def parts_of(share: int) -> range:
    """The numbers of the parts of a share, which counts from 1."""
    return range((share - 1) * PARTS, share * PARTS)


def seeds_of(part: int) -> list[int]:
    """The seeds of a part: all those of some beginnings, because each process that needs one has to bring it about."""
    return [seed for seed in range(SEQUENCES) if seed % len(BEGINNINGS) % (SHARES * PARTS) == part]


def run_drawn(part: int) -> None:
    """Run the sequences of a part; the first that fails is cut down to what matters, and shown."""
    for seed in seeds_of(part):
        beginning, disturbances = drawn(seed)
        failure = failure_of(beginning, disturbances)
        if failure is not None:
            pytest.fail(f"seed {seed}: {failure}\nrun({beginning!r}, {shortened(beginning, disturbances)})")
