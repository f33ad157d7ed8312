"""Distributions as counters by bin: windows, resets, births, and what pods show instead of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api import MAX_BINS, OTHER_CLASSES, BinCounts
from slipway.metrics import BinReading, HistogramReading, SourceError, bins_of, grown, remembered, tallied
from slipway.metrics.classes import EMPTY, Distribution, _reading
from slipway.metrics.distribution import of_histogram

BINS = ("1", "2", "+Inf")


def buckets(*counts: float, pod: str = "a") -> BinReading:
    return BinReading(f"stable/{pod}", dict(zip(BINS, counts, strict=True)), edges=True)


def classes(pod: str = "a", **counts: float) -> BinReading:
    return BinReading(f"stable/{pod}", counts, edges=False)


def test_the_buckets_of_a_histogram_are_counts_by_themselves() -> None:
    reading = of_histogram(HistogramReading("stable/a", (1.0, 2.0), (3.0, 7.0), 12.0))
    assert dict(reading.counts) == {"1": 3.0, "2": 4.0, "+Inf": 5.0}


def test_a_histogram_without_a_finite_bucket_is_refused_and_one_without_series_is_not_there_yet() -> None:
    with pytest.raises(SourceError, match="no finite bucket"):
        of_histogram(HistogramReading("stable/a", (), (), 12.0))
    assert of_histogram(HistogramReading("stable/a", (), (), 0.0)).counts == {}


def test_counting_begins_at_the_first_look() -> None:
    assert grown(None, [buckets(5, 5, 5)], BINS) is None
    snapshot = remembered(None, [buckets(5, 5, 5)], BINS)
    assert grown(snapshot, [buckets(6, 8, 5)], BINS) == (1, 3, 0)


def test_a_pod_that_was_born_since_counts_from_nothing() -> None:
    snapshot = remembered(None, [buckets(5, 5, 5)], BINS)
    assert grown(snapshot, [buckets(5, 5, 5), buckets(1, 2, 3, pod="b")], BINS) == (1, 2, 3)


def test_a_pod_that_fell_in_any_bin_was_reset_in_all() -> None:
    snapshot = remembered(None, [buckets(5, 5, 5)], BINS)
    assert grown(snapshot, [buckets(9, 4, 6)], BINS) == (9, 4, 6)


def test_a_pod_that_was_not_read_for_a_while_is_not_counted_twice() -> None:
    snapshot = remembered(None, [buckets(5, 5, 5), buckets(7, 7, 7, pod="b")], BINS)
    snapshot = remembered(snapshot, [buckets(6, 6, 6)], BINS)
    assert grown(snapshot, [buckets(6, 6, 6), buckets(8, 8, 8, pod="b")], BINS) == (1, 1, 1)


def test_a_series_that_appears_late_counts_from_nothing() -> None:
    nothing = BinReading("stable/a", {}, edges=True)
    assert bins_of((), [nothing]) == ()
    snapshot = remembered(None, [nothing], ())
    assert bins_of((), [buckets(1, 2, 3)]) == BINS
    assert grown(snapshot, [buckets(1, 2, 3)], BINS) == (1, 2, 3)


def test_other_buckets_than_those_of_the_reference_are_an_error_that_says_what_to_do() -> None:
    other = BinReading("stable/a", {"1": 1.0, "5": 1.0, "+Inf": 0.0}, edges=True)
    with pytest.raises(SourceError, match=r"no bucket that ends where.*\(1, 2, \+Inf\): restore the buckets"):
        tallied(other, BINS)
    with pytest.raises(SourceError, match="restore the buckets"):
        bins_of(BINS, [other])


def test_more_buckets_than_those_of_the_reference_are_put_together() -> None:
    finer = BinReading("stable/a", {"0.5": 1.0, "1": 2.0, "1.5": 3.0, "2": 4.0, "+Inf": 5.0}, edges=True)
    assert tallied(finer, BINS) == (3.0, 7.0, 5.0)


def test_classes_have_a_bin_each_behind_the_one_for_all_others() -> None:
    bins = bins_of((), [classes(ham=7, spam=3), classes("b", spam=9)])
    assert bins == (OTHER_CLASSES, "spam", "ham")
    assert bins_of(bins, [classes(eggs=1, ham=9)]) == (OTHER_CLASSES, "spam", "ham", "eggs")
    assert tallied(classes(ham=7, eggs=2, sausage=1), bins) == (3.0, 0.0, 7.0)


def test_a_class_that_appears_while_bins_are_added_is_counted_once() -> None:
    bins = (OTHER_CLASSES, "ham")
    snapshot = remembered(None, [classes(ham=7)], bins)
    assert grown(snapshot, [classes(ham=8, spam=2)], (*bins, "spam")) == (0, 1, 2)


def test_more_classes_than_there_is_room_for_count_together() -> None:
    many = {f"class-{number}": float(number) for number in range(1, 500)} | {"x" * 129: 1000.0}
    bins = bins_of((), [BinReading("stable/a", many, edges=False)])
    assert len(bins) == MAX_BINS
    assert bins[:2] == (OTHER_CLASSES, "class-499")
    assert sum(tallied(BinReading("stable/a", many, edges=False), bins)) == sum(many.values())


def test_more_pods_than_there_is_room_for_are_an_error() -> None:
    readings = [buckets(1, 1, 1, pod=str(number)) for number in range(257)]
    with pytest.raises(SourceError, match="257 pods with 3 bins are more than the 256"):
        remembered(None, readings, BINS)


def test_pods_that_are_gone_make_room_first() -> None:
    gone = [BinCounts(source=f"stable/gone-{number}", values=[1.0] * 3) for number in range(256)]
    assert len(found := remembered(gone, [buckets(1, 1, 1)], BINS)) == 256
    assert found[0].source == "stable/a"


def test_series_are_added_up_by_their_class() -> None:
    series = [({"class": "ham", "code": "200"}, 3.0), ({"class": "ham", "code": "500"}, 1.0), ({}, 2.0)]
    assert dict(_reading("stable/a", series, "class").counts) == {"ham": 4.0, EMPTY: 2.0}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("amount", "amount_bucket"),
        ('amount_bucket{model="fraud"}', 'amount_bucket{model="fraud"}'),
        ('amount{le!="7",model=~"a.*"}', 'amount_bucket{le!="7",model=~"a.*"}'),
    ],
)
def test_a_histogram_is_named_without_its_suffix_or_with_it(selector: str, selected: str) -> None:
    assert Distribution(selector, None, "spec").selected == selected


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 3), min_size=1, max_size=12), st.integers(0, 10))
def test_windows_add_up_to_what_was_counted_however_often_one_looks(steps: list[tuple[int, ...]], skip: int) -> None:
    counted = [0, 0, 0]
    snapshot = remembered(None, [buckets(*counted)], BINS)
    seen = [0, 0, 0]
    for number, step in enumerate(steps):
        counted = [old + new for old, new in zip(counted, step, strict=True)]
        if number == skip:
            continue  # a look that was missed
        window = grown(snapshot, [buckets(*counted)], BINS)
        assert window is not None
        seen = [old + new for old, new in zip(seen, window, strict=True)]
        snapshot = remembered(snapshot, [buckets(*counted)], BINS)
    last = grown(snapshot, [buckets(*counted)], BINS)
    assert last is not None
    assert [old + new for old, new in zip(seen, last, strict=True)] == counted
