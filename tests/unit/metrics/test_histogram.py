"""Durations as counts: exact at edges, refused between them, and under the same rules of windows as all counts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.metrics import HistogramReading, Reading, SourceError, at_edges, bucketed, delta, snapshot, total_of
from slipway.metrics.histogram import read_buckets


def a_histogram(source: str = "stable/a", **counts: float) -> HistogramReading:
    """Cumulative counts by edge in milliseconds, the last one being all."""
    edges = tuple(int(edge[1:]) / 1000 for edge in list(counts)[:-1])
    return HistogramReading(source, edges, tuple(counts.values())[:-1], list(counts.values())[-1])


def test_buckets_of_several_series_are_added_up_and_put_in_order() -> None:
    buckets = [("+Inf", 4.0), ("0.1", 1.0), ("0.5", 3.0), ("0.1", 2.0), ("0.5", 2.0), ("+Inf", 3.0)]
    assert read_buckets("s", buckets) == HistogramReading("s", (0.1, 0.5), (3, 5), 7)


def test_edges_come_in_seconds_whatever_the_unit() -> None:
    reading = read_buckets("s", [("0.3", 1.0), ("300", 2.0), ("+Inf", 3.0)], unit=0.001)
    assert reading.edges == (0.0003, 0.3)


def test_requests_slower_than_an_edge_are_a_reading() -> None:
    reading = a_histogram(e100=60, e500=95, inf=100)
    assert reading.slower_than(0.1) == Reading("stable/a@0.1", 40, 100)
    assert reading.slower_than(0.5) == Reading("stable/a@0.5", 5, 100)


def test_an_edge_between_buckets_is_refused_and_the_ones_that_there_are_are_named() -> None:
    with pytest.raises(SourceError, match=r"no bucket that ends at 0\.2s, only 0\.1, 0\.5"):
        a_histogram(e100=60, e500=95, inf=100).slower_than(0.2)


def test_a_histogram_without_requests_has_no_slow_ones_at_any_edge() -> None:
    assert read_buckets("s", []).slower_than(0.2) == Reading("s@0.2", 0, 0)


@pytest.mark.parametrize(
    ("buckets", "problem"),
    [
        ([("0.1", 1.0)], r"no bucket le=\"\+Inf\""),
        ([("fast", 1.0), ("+Inf", 1.0)], "which is no number"),
        ([("", 1.0), ("+Inf", 1.0)], "which is no number"),
        ([("nan", 1.0), ("+Inf", 1.0)], "no number"),
        ([("0.1", 3.0), ("0.5", 2.0), ("+Inf", 4.0)], "not cumulative"),
        ([("0.1", 3.0), ("+Inf", 2.0)], "not cumulative"),
    ],
)
def test_buckets_that_make_no_sense_are_no_evidence(buckets: list[tuple[str, float]], problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        read_buckets("s", buckets)


def test_the_sources_of_an_arm_are_one_where_their_edges_are_the_same() -> None:
    one = a_histogram("stable/a", e10=0, e50=60, inf=100)
    other = a_histogram("stable/b", e10=1, e50=40, inf=100)
    whole = total_of([one, read_buckets("stable/c", []), other])
    assert whole is not None
    assert (whole.edges, whole.at_most, whole.total) == ((0.01, 0.05), (1, 100), 200)
    assert total_of([]) is total_of([read_buckets("s", [])]) is None
    with pytest.raises(SourceError, match="other buckets"):
        total_of([a_histogram(e10=1, inf=1), a_histogram(e20=1, inf=1)])


def test_a_window_is_split_by_the_edges_that_are_judged() -> None:
    edges = (0.01, 0.05)
    before = snapshot((), at_edges([a_histogram("stable/a", e10=5, e20=6, e50=8, inf=10)], edges))
    now = [a_histogram("stable/a", e10=10, e20=12, e50=16, inf=20), a_histogram("stable/b", e10=0, e20=0, e50=1, inf=1)]
    assert bucketed(before, now, edges) == (5, 4, 2)
    assert bucketed((), now[:1], edges) == (10, 6, 4), "without a snapshot all counts"


def test_a_reset_at_one_edge_is_one_at_all() -> None:
    """A pod that restarted and was busy since has more requests than before, and fewer slow ones."""
    edges = (0.01, 0.05)
    before = snapshot((), at_edges([a_histogram("stable/a", e10=5, e50=6, inf=10)], edges))
    assert bucketed(before, [a_histogram("stable/a", e10=11, e50=11, inf=12)], edges) == (11, 0, 1)


def test_more_histograms_than_a_snapshot_holds_are_refused() -> None:
    many = [a_histogram(f"stable/{n}", e10=1, inf=1) for n in range(257)]
    with pytest.raises(SourceError, match="256"):
        at_edges(many, (0.01, 0.01))


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60), st.lists(st.floats(0, 2), max_size=60))
def test_a_window_of_a_histogram_counts_what_was_slower_in_it(before: list[float], after: list[float]) -> None:
    edges = (0.1, 0.5, 1.0)

    def reading(durations: list[float]) -> HistogramReading:
        counts = [float(sum(duration <= edge for duration in durations)) for edge in edges]
        return HistogramReading("stable/a", edges, tuple(counts), float(len(durations)))

    for edge in edges:
        memory = snapshot((), [reading(before).slower_than(edge)])
        window = delta(memory, [reading([*before, *after]).slower_than(edge)])
        assert window == (sum(duration > edge for duration in after), len(after))


@given(st.lists(st.tuples(st.sampled_from(["0.1", "1", "+Inf", "x", "-1", "1e999"]), st.floats(0, 1e15)), max_size=8))
def test_any_buckets_are_a_reading_or_a_source_error(buckets: list[tuple[str, float]]) -> None:
    try:
        reading = read_buckets("s", buckets)
    except SourceError:
        return
    assert all(one < other for one, other in itertools.pairwise(reading.edges))
    for edge in reading.edges:
        assert 0 <= reading.slower_than(edge).bad <= reading.total
