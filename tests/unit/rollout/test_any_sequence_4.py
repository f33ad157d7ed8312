"""Share 4 of the sequences that are drawn from seeds: see `shares`."""

import pytest
from unit.rollout.shares import parts_of, run_drawn

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("part", parts_of(4))
def test_any_sequence_keeps_every_invariant_and_ends_well(part):
    run_drawn(part)
