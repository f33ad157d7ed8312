"""Whatever happens, in whatever order: the invariants hold after every write, and calm ends well.

`sequences` says what may happen, `invariants` what always holds. Here some sequences are made up by hypothesis, which
cuts a failure down by itself; a great number come from plain seeds, which is quick, in the modules beside this one.

A sequence that ever failed stays here, written out.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.rollout.sequences import (
    BEGINNINGS,
    DISTURBANCES,
    LARGEST,
    Disturbance,
    begin,
    drawn,
    run,
)

A_DISTURBANCE = st.tuples(st.sampled_from(sorted(DISTURBANCES)), st.integers(0, LARGEST))

PAST_FAILURES: dict[str, tuple[str, list[Disturbance]]] = {
    "the watch was lost with the second record of a promotion": (
        "canary/half way",
        [("tick", 3), ("kill soon", 1), ("tick", 3), ("kill soon", 1), ("tick", 3), ("command", 11)],
    ),
    "gates that changed kept a release for ever that needed no evidence": (
        "canary/replaced",
        [("stable again", 1), ("tick", 2), ("gates", 1), ("tick", 3), ("gates", 2)],
    ),
    "an approval could not be given after the ladder was shortened": (
        "quarters by pods/half way",
        [("crash", 27), ("strategy", 10)],
    ),
    "pods of a third release took a share of the Service's requests": ("quarters by pods/under way", []),
    "a share of pods was never reached again after it began anew": (
        "rolling update by pods/replaced",
        [("tick", 12), ("gates", 59)],
    ),
    "stable lost pods in the decision that gave it traffic back": (
        "shifted canary/under way",
        [("replicas", 38), ("kill", 40), ("replicas", 5), ("gates", 58)],
    ),
    "half of the traffic went to no pod while capacity was shifted": (
        "shifted rolling update/half way",
        [("tick", 0), ("tick", 0)],
    ),
    "an abort found no machine for stable": ("shifted rolling update/under way", [("command", 25)]),
    "a candidate that began anew left stable no machine": ("shifted canary/late", [("command", 20), ("gates", 55)]),
    "what leaves was taken away before the gateway let go of it": (
        "shifted canary/late",
        [("all crash", 40), ("silence", 31)],
    ),
    "a first release took all traffic with some of its pods": (
        "full canary/first",
        [("tick", 41), ("kill", 33), ("strategy", 12), ("replicas", 22)],
    ),
    "two releases of which none was stable never got their share of pods": (
        "approved half by pods/first",
        [("kill soon", 46), ("tick", 12), ("tick", 22), ("new release", 9)],
    ),
    "copies went to no pod where no replicas are asked for": (
        "approved shadow/declared",
        [("tick", 1), ("outage", 27), ("tick", 28), ("command", 28), ("replicas", 0), ("command", 43), ("stale", 10)],
    ),
    "an edit of the gates let a paused release rise": (
        "canary, autoscaled/replaced",
        [("command", 58), ("silence", 28), ("pause", 10), ("conflict", 12), ("gates", 34), ("tick", 4)],
    ),
    "a third release took the machine that stable waited for": (
        "shifted canary/late",
        [("new release", 43), ("replicas", 37)],
    ),
    "an unverified release had pods while the Service led to all of them": (
        "quarters by pods/late",
        [("new release", 1), ("crash", 48), ("tick", 58)],
    ),
    "a third release found the second one without pods": (
        "shifted rolling update/replaced",
        [("tick", 24), ("new release", 46)],
    ),
    "a release that fails requests took the place of one that fails as many": (
        "large steps/first",
        [("new release", 28), ("tick", 59), ("new release", 58)],
    ),
    "a preview lost its pods before the gateway let go of them, for a stable release without any": (
        "approved blue-green/late",
        [("replicas", 56), ("strategy", 28), ("new release", 45), ("tick", 26)],
    ),
    "all traffic was led to no pod where no replicas were asked for": (
        "rolling update/under way",
        [("all crash", 43), ("replicas", 16), ("command", 16), ("silence", 37)],
    ),
}


@pytest.mark.parametrize(("beginning", "disturbances"), PAST_FAILURES.values(), ids=PAST_FAILURES)
def test_what_ever_failed_does_not_fail_again(beginning, disturbances):
    run(beginning, disturbances, thorough=True)


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_calm_from_any_beginning_ends_well(beginning):
    run(beginning, [], thorough=True)


@given(st.sampled_from(BEGINNINGS), st.lists(A_DISTURBANCE, max_size=20))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    report_multiple_bugs=False,
)
def test_no_sequence_that_hypothesis_makes_up_breaks_an_invariant(beginning, disturbances):
    run(beginning, disturbances, thorough=True)


def test_a_sequence_is_the_same_whenever_it_is_run():
    beginning, disturbances = drawn(7)
    first, second = run(beginning, disturbances), run(beginning, disturbances)
    assert (first.records, first.status, first.written) == (second.records, second.status, second.written)
    assert begin(beginning).records is not begin(beginning).records
