"""The ledger: what was acknowledged is kept and counts once, whatever happens in between.

Killed at any write, answered by an error after a write, overtaken by another process, restarted with nothing in
memory: a client that reports again what was not acknowledged ends up with every report counted exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.feedback.builders import BEGAN, KEY, NAMESPACE, NOW, V1, V2, Clock, a_report, the_terms

from slipway.cluster import CONFIG_MAP, Conflict, MemoryCluster, Request, Unavailable
from slipway.feedback import Ledger, Outcome, Report, SegmentError, ledger, segment

ALWAYS = [(0, 2**42)]


class Killed(BaseException):
    """kill -9."""


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three reports fill a ConfigMap."""
    monkeypatch.setattr(segment, "SEGMENT_REPORTS", 3)
    monkeypatch.setattr(ledger, "SEGMENT_REPORTS", 3)


async def counts(cluster: MemoryCluster, *revisions: str) -> list[tuple[int, int]]:
    """What another process, with nothing in memory, counts."""
    return [found[0] for found in await Ledger(cluster, clock=Clock()).counted(KEY, "Label", ALWAYS, revisions)]


async def test_a_report_counts_once_however_often_it_is_sent() -> None:
    cluster = MemoryCluster()
    book, terms = Ledger(cluster, clock=Clock()), the_terms(cluster)
    report = a_report("r1", wrong=True)
    assert await book.add(KEY, [report, report], terms) == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    assert await book.add(KEY, [report], terms) == [Outcome.DUPLICATE]
    again = Ledger(cluster, clock=Clock())
    assert await again.add(KEY, [a_report("r1", V1), a_report("r2")], terms) == ["duplicate", "accepted"]
    assert await counts(cluster, V1, V2) == [(0, 0), (2, 1)]


async def test_reports_that_come_at_once_are_written_together() -> None:
    cluster, clock = MemoryCluster(), Clock()
    book, terms = Ledger(cluster, clock=clock), the_terms(cluster)
    told = await asyncio.gather(*(book.add(KEY, [a_report(f"r{n % 5}")], terms) for n in range(10)))
    assert sorted(one[0] for one in told) == ["accepted"] * 5 + ["duplicate"] * 5
    assert await counts(cluster, V2) == [(5, 0)]
    assert sum(request.verb in {"create", "merge_patch"} for request in cluster.requests) <= 4


@given(data=st.data())
def test_nothing_acknowledged_is_lost_or_counted_twice_over_a_kill_at_any_write(data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.sampled_from([V1, V2])), max_size=30))
    sizes = data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=10))
    faults = data.draw(st.lists(st.sampled_from(["", "before", "after", "lost", "conflict"]), max_size=20))
    asyncio.run(_survives(_batches(ids, sizes), iter(faults)))


def _batches(ids: list[tuple[int, bool, str]], sizes: list[int]) -> list[list[Report]]:
    reports = [a_report(f"r{number}", revision, wrong=wrong) for number, wrong, revision in ids]
    out = []
    while reports:
        size = sizes[len(out) % len(sizes)]
        out.append(reports[:size])
        reports = reports[size:]
    return out


async def _survives(batches: list[list[Report]], faults: Iterator[str]) -> None:
    cluster = MemoryCluster()
    terms, said = the_terms(cluster), dict[str, Report]()

    def strike(request: Request) -> None:
        match next(faults, ""):
            case "before":
                raise Killed
            case "conflict":
                raise Conflict("somebody else wrote")
            case "after":
                cluster.fail_next(request.verb, CONFIG_MAP, Killed(), after_write=True)  # strikes at the next write
            case "lost":
                cluster.fail_next(request.verb, CONFIG_MAP, Unavailable("no answer"), after_write=True)

    cluster.before_write = strike
    book = Ledger(cluster, clock=Clock())
    for batch in batches:
        outcomes = None
        while outcomes is None:
            try:
                outcomes = await book.add(KEY, batch, terms)
            except Killed:
                book = Ledger(cluster, clock=Clock())
            except (Conflict, Unavailable):
                continue  # told to come back
        for report in batch:
            said.setdefault(report.request_id, report)
        assert set(outcomes) <= {Outcome.ACCEPTED, Outcome.DUPLICATE}
    cluster.before_write = None
    cluster._faults.clear()
    expected = [
        (sum(r.revision == name for r in said.values()), sum(r.revision == name and r.wrong for r in said.values()))
        for name in (V1, V2)
    ]
    assert await counts(cluster, V1, V2) == expected


async def test_of_two_processes_that_write_at_once_neither_loses_what_the_other_wrote() -> None:
    cluster = MemoryCluster()
    one, other, terms = Ledger(cluster, clock=Clock()), Ledger(cluster, clock=Clock()), the_terms(cluster)
    for round_ in range(4):
        told = await asyncio.gather(
            one.add(KEY, [a_report(f"a{round_}"), a_report(f"both{round_}")], terms),
            other.add(KEY, [a_report(f"b{round_}"), a_report(f"both{round_}")], terms),
        )
        assert sorted(outcome for found in told for outcome in found) == ["accepted"] * 3 + ["duplicate"]
    assert await counts(cluster, V2) == [(12, 0)]


async def test_who_gives_up_waiting_costs_nobody_else_anything() -> None:
    cluster = MemoryCluster()
    book, terms = Ledger(cluster, clock=Clock()), the_terms(cluster)
    impatient = asyncio.create_task(book.add(KEY, [a_report("r1")], terms))
    patient = asyncio.create_task(book.add(KEY, [a_report("r2")], terms))
    await asyncio.sleep(0)
    impatient.cancel()
    (outcome,) = await asyncio.gather(patient, return_exceptions=True)
    assert isinstance(outcome, Unavailable) or outcome == ["accepted"]
    assert (await book.add(KEY, [a_report("r2")], terms))[0] in {"accepted", "duplicate"}
    assert (await counts(cluster, V2))[0][0] in {1, 2}


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        (BEGAN, "ignored"),
        (BEGAN + timedelta(seconds=1), "accepted"),
        (NOW + timedelta(seconds=59), "accepted"),
        (NOW + timedelta(seconds=61), "future"),
    ],
)
async def test_only_requests_of_a_time_that_is_judged_count(made, outcome: str) -> None:
    cluster = MemoryCluster()
    book = Ledger(cluster, clock=Clock())
    assert await book.add(KEY, [a_report(made=made)], the_terms(cluster)) == [outcome]
    assert cluster.requests[1:] == [] or outcome == "accepted"


async def test_a_report_is_late_from_the_moment_on_at_which_its_window_may_be_counted() -> None:
    cluster, clock = MemoryCluster(), Clock()
    book = Ledger(cluster, clock=clock)
    terms = the_terms(cluster, maturities={"Label": timedelta(minutes=5)})
    at = NOW - timedelta(minutes=5)
    assert await book.add(KEY, [a_report("r1", made=at + timedelta(microseconds=1))], terms) == ["accepted"]
    assert await book.add(KEY, [a_report("r2", made=at)], terms) == ["late"]


async def test_windows_share_no_report() -> None:
    cluster = MemoryCluster()
    book = Ledger(cluster, clock=Clock())
    second = int(NOW.timestamp())
    made = [NOW + timedelta(seconds=n) for n in range(-3, 3)]
    await book.add(KEY, [a_report(f"r{n}", made=at, wrong=n % 2 == 1) for n, at in enumerate(made)], the_terms(cluster))
    seconds = [(second - 3, second - 1), (second - 1, second + 2), (second + 2, second + 9)]
    windows = [(1000 * start + 250, 1000 * end + 250) for start, end in seconds]
    assert await book.counted(KEY, "Label", windows, [V2]) == [[(2, 1), (3, 1), (1, 1)]]
    assert await book.counted(KEY, "Reward", windows, [V2]) == [[(0, 0)] * 3]


async def test_a_revision_has_room_for_so_many_reports_and_old_ones_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_SEGMENTS", 2)
    cluster, clock = MemoryCluster(), Clock()
    book, terms = Ledger(cluster, clock=clock), the_terms(cluster)
    told = await book.add(KEY, [a_report(f"r{n}") for n in range(8)], terms)
    assert told == ["accepted"] * 6 + ["full"] * 2
    clock.forward(hours=1)
    later = the_terms(cluster, needed_since=NOW + timedelta(minutes=1))
    told = await book.add(KEY, [a_report(f"s{n}", made=clock.now) for n in range(4)], later)
    assert told == ["accepted"] * 3 + ["full"]
    names = [found["metadata"]["name"] for found in await cluster.list(CONFIG_MAP, NAMESPACE)]
    assert names == [f"{V2}-feedback-1", f"{V2}-feedback-2"]


async def test_reports_go_with_their_revision_and_not_before() -> None:
    cluster = MemoryCluster()
    await Ledger(cluster, clock=Clock()).add(KEY, [a_report()], the_terms(cluster))
    (kept,) = await cluster.list(CONFIG_MAP, NAMESPACE)
    assert kept["metadata"]["ownerReferences"] == [
        {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelRevision", "name": V2, "uid": f"uid-of-{V2}"}
    ]


async def test_a_model_deployment_that_took_the_name_of_another_begins_with_nothing() -> None:
    cluster = MemoryCluster()
    book = Ledger(cluster, clock=Clock())
    await book.add(KEY, [a_report()], the_terms(cluster))
    await cluster.delete(CONFIG_MAP, NAMESPACE, f"{V2}-feedback-0")
    assert await book.add(KEY, [a_report()], the_terms(cluster, uid="another")) == ["accepted"]


@pytest.mark.parametrize("data", [{}, {"reports": "%%%"}, {"reports": "AAAA"}], ids=["nothing", "garbage", "a part"])
async def test_what_was_tampered_with_is_told_and_never_counted(data: dict[str, str]) -> None:
    cluster = MemoryCluster()
    await Ledger(cluster, clock=Clock()).add(KEY, [a_report()], the_terms(cluster))
    (kept,) = await cluster.list(CONFIG_MAP, NAMESPACE)
    cluster.put({key: value for key, value in kept.items() if key != "binaryData"} | {"binaryData": data})
    with pytest.raises(SegmentError, match=f"ConfigMap {NAMESPACE}/{V2}-feedback-0"):
        await counts(cluster, V2)
