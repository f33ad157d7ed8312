"""Whose turn it is.

| under way                    | ahead in the queue          | the rollout         |
|------------------------------|-----------------------------|---------------------|
| fewer than the limit         | nobody                      | starts              |
| fewer than the limit         | enough for what is left     | waits               |
| as many as the limit or more | whoever                     | waits               |
| whatever                     | who waits for its namespace | is not kept waiting |
| the ModelDeployment itself   | whoever                     | starts              |
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api import Phase
from slipway.rollout.budget import UNDER_WAY, Limits, Rollout, waits_for

START = datetime(2025, 3, 1, 10, tzinfo=UTC)


def waiting(name: str, *, namespace: str = "shop", after: float = 0) -> Rollout:
    return Rollout(namespace, name, Phase.PENDING, START + timedelta(seconds=after))


def under_way(name: str, *, namespace: str = "shop", phase: Phase = Phase.STEPPING) -> Rollout:
    return Rollout(namespace, name, phase, START)


TWO = Limits(per_namespace=2)


def test_without_limits_everybody_starts() -> None:
    assert waits_for(waiting("z", after=9), [under_way(f"r{n}") for n in range(99)], Limits()) is None


def test_a_rollout_starts_while_there_is_a_place() -> None:
    assert waits_for(waiting("b"), [under_way("a")], TWO) is None


@pytest.mark.parametrize("phase", sorted(UNDER_WAY))
def test_every_phase_from_start_to_end_takes_a_place(phase: Phase) -> None:
    assert waits_for(waiting("b"), [under_way("a", phase=phase)], Limits(per_namespace=1)) is not None


@pytest.mark.parametrize("phase", [Phase.WATCHING, Phase.STABLE, Phase.ROLLED_BACK, Phase.SUPERSEDED])
def test_a_rollout_that_is_over_has_given_its_place_back(phase: Phase) -> None:
    assert waits_for(waiting("b"), [under_way("a", phase=phase)], Limits(per_namespace=1, per_cluster=1)) is None


def test_who_waits_reads_who_has_the_places_and_how_many_are_ahead() -> None:
    others = [under_way("b"), under_way("a"), waiting("c"), waiting("later", after=9), under_way("x", namespace="bank")]
    assert waits_for(waiting("d", after=1), others, TWO) == (
        "2 of 2 rollouts of namespace shop are under way: a, b; 1 is ahead in the queue"
    )


def test_who_could_start_were_it_not_for_the_queue_reads_that() -> None:
    others = [under_way("a"), waiting("b"), waiting("c", after=1)]
    assert waits_for(waiting("d", after=2), others, TWO) == (
        "1 of 2 rollouts of namespace shop is under way: a; 2 are ahead in the queue"
    )
    assert waits_for(others[1], others, TWO) is None
    assert waits_for(waiting("d"), [waiting("b"), waiting("c")], TWO) == (
        "0 of 2 rollouts of namespace shop are under way; 2 are ahead in the queue"
    )


def test_rollouts_of_other_namespaces_are_counted_and_never_named() -> None:
    others = [under_way("a"), under_way("secret", namespace="bank"), under_way("hidden", namespace="bank")]
    others.append(waiting("secret-too", namespace="bank"))
    assert waits_for(waiting("b", after=1), others, Limits(per_cluster=3)) == (
        "3 of 3 rollouts of the cluster are under way: a, 2 in other namespaces; 1 is ahead in the queue"
    )


def test_a_sentence_stays_short_however_many_there_are() -> None:
    others = [under_way(f"r{n}") for n in range(40)]
    assert waits_for(waiting("z"), others, Limits(per_namespace=40)) == (
        "40 of 40 rollouts of namespace shop are under way: r0, r1, r10, r11, r12, 35 more"
    )


def test_of_two_that_wait_equally_long_the_name_decides() -> None:
    both = [waiting("b"), waiting("a")]
    limits = Limits(per_cluster=1)
    assert waits_for(both[1], both, limits) is None
    assert waits_for(both[0], both, limits) is not None


def test_a_namespace_that_is_full_keeps_no_other_waiting() -> None:
    others = [under_way("a"), waiting("b"), waiting("c")]
    limits = Limits(per_namespace=1, per_cluster=2)
    assert waits_for(waiting("d", namespace="bank", after=9), others, limits) is None


def test_a_limit_that_was_lowered_lets_nobody_start_before_enough_have_ended() -> None:
    assert waits_for(waiting("c"), [under_way("a"), under_way("b")], Limits(per_namespace=1)) == (
        "2 of 1 rollouts of namespace shop are under way: a, b"
    )


def test_a_new_candidate_takes_the_place_of_the_one_that_is_being_hauled_back() -> None:
    others = [under_way("a", phase=Phase.ROLLING_BACK), under_way("b"), waiting("c")]
    assert waits_for(waiting("a", after=9), others, TWO) is None


@pytest.mark.parametrize("limits", [{"per_namespace": 0}, {"per_cluster": -1}])
def test_a_limit_under_which_nothing_could_start_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Limits(**limits)


limits = st.builds(Limits, st.none() | st.integers(1, 3), st.none() | st.integers(1, 4))
arrivals = st.lists(st.tuples(st.sampled_from(["bank", "shop", "zoo"]), st.integers(0, 4)), min_size=1, max_size=12)


@given(limits=limits, arrivals=arrivals, order=st.randoms(use_true_random=False))
def test_the_limits_hold_nobody_overtakes_and_everybody_starts(
    limits: Limits, arrivals: list[tuple[str, int]], order: random.Random
) -> None:
    """Whoever asks when, and whichever rollout ends first, each decision on a list that shows the one before."""
    all_ = {n: waiting(f"r{n}", namespace=namespace, after=after) for n, (namespace, after) in enumerate(arrivals)}
    while any(rollout.phase is Phase.PENDING for rollout in all_.values()):
        asking = [n for n, rollout in all_.items() if rollout.phase is Phase.PENDING]
        order.shuffle(asking)
        for n in asking:
            said = waits_for(all_[n], all_.values(), limits)
            if said is None:
                all_[n] = replace(all_[n], phase=Phase.STARTING)
                _check(list(all_.values()), limits)
        running = [n for n, rollout in all_.items() if rollout.phase in UNDER_WAY]
        assert running, "everybody waits, and for nobody"
        _check_that_nobody_waits_in_vain(list(all_.values()), limits)
        ended = order.choice(running)
        all_[ended] = replace(all_[ended], phase=Phase.STABLE)


def _check(rollouts: list[Rollout], limits: Limits) -> None:
    running = Counter(rollout.namespace for rollout in rollouts if rollout.phase in UNDER_WAY)
    assert limits.per_cluster is None or running.total() <= limits.per_cluster
    assert limits.per_namespace is None or max(running.values()) <= limits.per_namespace


def _check_that_nobody_waits_in_vain(rollouts: list[Rollout], limits: Limits) -> None:
    """Everybody has asked: who still waits finds no place, and whoever started in its namespace has come before it."""
    running = [rollout for rollout in rollouts if rollout.phase in UNDER_WAY]
    count = Counter(rollout.namespace for rollout in running)
    for rollout in rollouts:
        if rollout.phase is Phase.PENDING:
            assert count[rollout.namespace] == limits.per_namespace or count.total() == limits.per_cluster
            for other in running:
                if other.namespace == rollout.namespace:
                    assert (other.since, other.name) < (rollout.since, rollout.name)
