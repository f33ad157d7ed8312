"""Evidence of live traffic: latencies by edges, pods told apart, and when a verdict may come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from unit.rollout.builders import MINUTE, SECOND, V1, V2, a_hash, a_rollout, a_window, errors, errors_in_pods

from slipway.analysis import ArmCounts, Dispersion, Histogram, PodWindow
from slipway.api import Counter, MetricSpec, Phase
from slipway.rollout import CounterWindow, LatencyWindow, edges_judged, edges_learned, plan, record_of

BOUNDS = (0.01, 0.05, 0.1, 0.5)
USUAL = Histogram(BOUNDS, (600, 340, 50, 9, 1))
LATENCY = MetricSpec.model_validate(
    {"name": "latency", "gateway": {"measure": "Latency"}, "comparison": {"margin": 0.01}}
)


def latencies(candidate=None, stable=None, *, past=None):
    """A window in buckets that end at the edges, or the look that fixes them."""
    counters = () if candidate is None and past is None else (Counter(source="stable", bad=0, total=0),)
    return LatencyWindow("latency", candidate, stable, counters, past)


def at_edges(*counts):
    return Histogram(edges_learned(USUAL), counts)


def metric(rollout, name):
    found = record_of(rollout.record(), name)
    assert found is not None
    return found


def hauled_back(rollout):
    return rollout.record().phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)


def learned():
    return a_rollout().with_metrics(LATENCY).at_step(1).with_evidence(latencies(past=USUAL)).then()


# --- latency ----------------------------------------------------------------------------------------------------------


def test_the_edges_are_those_of_stables_past_and_stay():
    rollout = learned()
    assert edges_judged(LATENCY, metric(rollout, "latency")) == (0.01, 0.05, 0.1)
    slower = latencies(at_edges(0, 0, 50, 50), at_edges(0, 0, 500, 500))
    rollout.after(10 * SECOND).with_evidence(slower).then()
    assert edges_judged(LATENCY, metric(rollout, "latency")) == (0.01, 0.05, 0.1)


def test_before_stables_latency_is_known_nothing_is_judged_and_the_weight_stays():
    few = Histogram(BOUNDS, (100, 0, 0, 0, 0))
    rollout = a_rollout().with_metrics(LATENCY).at_step(1).with_evidence(latencies(past=few)).then()
    status = metric(rollout, "latency")
    assert (status.verdict, status.state, status.cursor) == ("NoData", None, None)
    assert "n=0/100, 200 requests to stable wanted" in status.message
    assert rollout.after(MINUTE).record().step == 0


def test_stables_latency_is_looked_for_at_every_interval_and_not_at_every_look():
    few = Histogram(BOUNDS, (100, 0, 0, 0, 0))
    rollout = a_rollout().with_metrics(LATENCY).at_step(1).with_evidence(latencies(past=few)).then()
    assert plan(rollout.after(5 * SECOND).seen, V2).counters == ()
    assert plan(rollout.after(5 * SECOND).seen, V2).counters == (LATENCY,)


def test_a_slower_candidate_is_hauled_back_with_the_edge_in_the_message():
    rollout = learned()
    for _ in range(20):
        window = latencies(at_edges(30, 30, 20, 20), at_edges(540, 306, 45, 9))
        rollout.after(10 * SECOND).with_evidence(window).then()
        if hauled_back(rollout):
            break
    assert hauled_back(rollout)
    assert "latency: Fail" in rollout.record().message
    assert "slower than 0.1s" in rollout.record().message


def test_a_candidate_as_fast_as_stable_goes_on():
    rollout = learned()
    for _ in range(7):
        window = latencies(at_edges(60, 34, 5, 1), at_edges(540, 306, 45, 9))
        rollout.after(10 * SECOND).with_evidence(window).then()
    assert rollout.record().step == 1


def test_a_window_without_known_edges_begins_anew():
    """The state was written by another version, or by hand."""
    rollout = a_rollout().with_metrics(LATENCY).at_step(1)
    rollout.with_evidence(latencies(at_edges(1, 0, 0, 0), at_edges(1, 0, 0, 0))).then()
    assert metric(rollout, "latency").state is None


def test_the_latency_of_a_watched_release_is_not_asked_for():
    rollout = a_rollout().with_metrics(LATENCY).watching().after(MINUTE)
    assert plan(rollout.seen, V2).counters == ()
    with_errors = a_rollout().with_metrics(LATENCY, errors()).watching().after(MINUTE)
    assert [one.name for one in plan(with_errors.seen, V2).counters] == ["errors"]


# --- pods -------------------------------------------------------------------------------------------------------------


def pods_window(candidate, stable):
    """Pairs of bad requests and all requests of each pod."""
    arms = [
        {f"{arm}-{n}": ArmCounts(*one) for n, one in enumerate(pods)} for arm, pods in enumerate((candidate, stable))
    ]
    sums = [ArmCounts(sum(one.bad for one in arm.values()), sum(one.total for one in arm.values())) for arm in arms]
    return CounterWindow("errors", *sums, a_window(None, None).counters, PodWindow(*arms))


def after_windows(rollout, *windows):
    rollout.with_evidence(a_window(None, None)).then()
    for window in windows:
        rollout.after(10 * SECOND).with_evidence(window).then()
    return rollout


def test_requests_of_pods_that_fail_together_haul_back_later_than_others():
    """Until it is measured how bursty errors are, five requests say as much as one; and one bad pod is no release."""
    calm, sick = ((0, 500),) * 3, ((60, 500),)
    alone = after_windows(
        a_rollout().with_metrics(errors()).at_step(1), *[a_window((60, 500), (0, 1500)) for _ in range(2)]
    )
    assert hauled_back(alone)
    by_pod = after_windows(
        a_rollout().with_metrics(errors_in_pods()).at_step(1), *[pods_window(sick, calm) for _ in range(2)]
    )
    assert by_pod.record().phase == Phase.STEPPING
    assert "discounted 5.0-fold for bursts until they are measured" in metric(by_pod, "errors").message
    for _ in range(30):
        by_pod.after(10 * SECOND).with_evidence(pods_window(sick, calm)).then()
    assert hauled_back(by_pod), "the ranks agree block after block"


def test_one_bad_minute_of_the_only_pod_hauls_nothing_back():
    calm = ((0, 500),) * 3
    episode = [pods_window(((60, 500),), calm) for _ in range(4)]
    rollout = after_windows(a_rollout().with_metrics(errors_in_pods()).at_step(1), *episode)
    assert "which the ranks of single pods do not confirm" in metric(rollout, "errors").message
    assert rollout.record().phase == Phase.STEPPING


def test_harm_that_no_single_pod_explains_does_not_wait_for_ranks():
    windows = [pods_window(((250, 500),), ((0, 500),) * 3) for _ in range(2)]
    rollout = after_windows(a_rollout().with_metrics(errors_in_pods()).at_step(1), *windows)
    assert hauled_back(rollout)


@pytest.mark.parametrize(("same_gates", "known"), [(True, True), (False, False)])
def test_how_bursty_errors_are_is_taken_over_from_the_release_that_serves(same_gates, known):
    rollout = a_rollout().with_metrics(errors_in_pods()).at_step(1)
    after_windows(rollout, pods_window(((0, 500),), ((0, 500),) * 3))
    status = metric(rollout, "errors")
    measured = [
        vector if vector.name != "dispersion" else vector.model_copy(update={"values": [100.0, 50.0, 3.0, 10.0]})
        for vector in status.state or ()
    ]
    before = {"metrics": [status.model_copy(update={"state": measured})]}
    gates = {} if same_gates else {"gates": a_hash("other gates")}
    following = a_rollout().with_metrics(errors_in_pods()).with_record(V1, **before, **gates).at_step(1)
    following.with_evidence(a_window(None, None)).then()
    (dispersion,) = [v.values for v in metric(following, "errors").state or () if v.name == "dispersion"]
    assert dispersion == ([100.0, 50.0, 0.0, 0.0] if known else [0.0, 0.0, 0.0, 0.0])
    assert Dispersion(*dispersion[:2]).measured is known


def test_a_clock_that_was_set_back_folds_the_requests_and_leaves_the_pods_out():
    rollout = a_rollout().with_metrics(errors_in_pods()).at_step(1)
    rollout.with_evidence(a_window(None, None)).then()
    rollout.after(timedelta(seconds=-30)).with_evidence(pods_window(((0, 500),), ((0, 500),) * 3)).then()
    assert "n=500/1500" in metric(rollout, "errors").message


# --- time -------------------------------------------------------------------------------------------------------------


def test_the_sentence_says_how_long_a_verdict_takes():
    rollout = after_windows(
        a_rollout().with_metrics(errors(nonInferiority={"margin": 0.01})).at_step(1),
        *[a_window((0, 10), (1, 90)) for _ in range(3)],
    )
    assert "about 3h to decide" in metric(rollout, "errors").message
