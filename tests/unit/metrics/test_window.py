"""Windows from counters: nothing twice, nothing lost, over resets, births, absences and late looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slipway.api import Counter
from slipway.metrics import Reading, delta, snapshot
from slipway.metrics.window import MAX_COUNTERS


def read(**sources: tuple[float, float]) -> list[Reading]:
    return [Reading(f"stable/{pod}", bad, total) for pod, (bad, total) in sources.items()]


def kept(**sources: tuple[float, float]) -> tuple[Counter, ...]:
    return snapshot((), read(**sources))


def test_counting_begins_with_the_first_snapshot() -> None:
    assert delta((), read(a=(7, 1000))) == (0, 0)


def test_a_window_is_the_difference_of_two_readings_summed_over_sources() -> None:
    assert delta(kept(a=(1, 10), b=(0, 5)), read(a=(3, 30), b=(0, 6))) == (2, 21)


def test_a_source_born_since_the_snapshot_counts_from_zero() -> None:
    assert delta(kept(a=(1, 10)), read(a=(1, 10), b=(2, 4))) == (2, 4)


def test_a_reset_counts_from_zero() -> None:
    assert delta(kept(a=(5, 100)), read(a=(1, 20))) == (1, 20)
    assert delta(kept(a=(5, 100)), read(a=(1, 120))) == (1, 120), "the bad counter alone tells of a reset too"


def test_bad_never_exceeds_total() -> None:
    assert delta(kept(a=(0, 10)), read(a=(3, 11))) == (1, 1)


def test_one_source_that_miscounts_does_not_lend_its_bad_ones_to_another() -> None:
    assert delta(kept(a=(0, 10), b=(0, 10)), read(a=(3, 11), b=(0, 20))) == (1, 11)


def test_counters_of_other_arms_and_of_gone_pods_do_not_count() -> None:
    previous = (*kept(a=(1, 10), gone=(9, 900)), Counter(source="candidate/a", bad=50, total=50))
    assert delta(previous, read(a=(1, 12))) == (0, 2)


def test_a_pod_that_was_not_read_once_is_counted_once_when_it_is_back() -> None:
    first = kept(a=(0, 10), b=(0, 10))
    second = snapshot(first, read(b=(0, 20)))
    assert delta(second, read(a=(4, 40), b=(0, 30))) == (4, 40)


def test_a_snapshot_that_is_full_forgets_the_sources_that_are_gone_the_longest() -> None:
    memory: tuple[Counter, ...] = ()
    for generation in range(10):
        memory = snapshot(memory, [Reading(f"stable/{generation}-{pod}", 0, 1) for pod in range(100)])
    assert len(memory) == MAX_COUNTERS
    assert {counter.source.split("-")[0] for counter in memory} == {f"stable/{n}" for n in (4, 5, 6, 7, 8, 9)}


class Pod:
    """Serves requests, counts them, and loses its counters when it restarts."""

    def __init__(self) -> None:
        self.bad = self.total = 0.0


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["serve", "restart", "look", "look"]),
        st.integers(0, 3),
        st.integers(0, 10**8),
        st.integers(0, 10**8),
        st.sets(st.integers(0, 3)),
    ),
    max_size=30,
)


@given(EVENTS)
def test_windows_add_up_to_what_was_served_whenever_one_looks(
    events: list[tuple[str, int, int, int, set[int]]],
) -> None:
    """Restarts come right after a look here, so that the pods themselves lose no count."""
    pods = [Pod() for _ in range(4)]
    start = [Reading(f"stable/{index}", 0, 0) for index in range(4)]
    memory = snapshot((), start)
    served_bad = served = counted_bad = counted = 0

    def look(missing: set[int]) -> None:
        nonlocal memory, counted_bad, counted
        now = [Reading(f"stable/{i}", pod.bad, pod.total) for i, pod in enumerate(pods) if i not in missing]
        bad, total = delta(memory, now)
        assert 0 <= bad <= total
        memory, counted_bad, counted = snapshot(memory, now), counted_bad + bad, counted + total

    for event, index, bad, good, missing in events:
        if event == "serve":
            pods[index].bad += bad
            pods[index].total += bad + good
            served_bad, served = served_bad + bad, served + bad + good
        elif event == "restart":
            look(set())
            pods[index] = Pod()
            look(set())
        else:
            look(missing)
    look(set())
    assert (counted_bad, counted) == (served_bad, served)


FINITE = st.floats(0, 1e15)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), FINITE, FINITE), max_size=3, unique_by=lambda row: row[0]),
    st.lists(st.tuples(st.sampled_from("abc"), FINITE, FINITE), max_size=3, unique_by=lambda row: row[0]),
)
def test_whatever_sources_say_a_window_is_a_count(
    before: list[tuple[str, float, float]], after: list[tuple[str, float, float]]
) -> None:
    previous = [Counter(source=source, bad=bad, total=total) for source, bad, total in before]
    bad, total = delta(previous, [Reading(*row) for row in after])
    assert isinstance(bad, int)
    assert 0 <= bad <= total
