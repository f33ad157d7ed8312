"""The arithmetic of a rolling update: tables, and a property over whole rollouts.

Cases: rounding of bounds, growing the new set, shrinking old ones (healthy, unhealthy, several), proportional scaling,
and that no order of readiness ever breaks the bounds.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway_sandbox.controllers import rolling
from slipway_sandbox.controllers.rolling import Scale


def a_deployment(
    replicas: int, surge: object = "25%", unavailable: object = "25%", kind: str = "RollingUpdate"
) -> dict:
    rolling_update = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"spec": {"replicas": replicas, "strategy": {"type": kind, "rollingUpdate": rolling_update}}}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", (1, 1)),
        (1, "25%", "25%", (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (3, 0, 0, (0, 1)),
        (3, 0, "1%", (0, 1)),
        (2, 1, 0, (1, 0)),
        (0, "25%", "25%", (0, 1)),
    ],
)
def test_surge_rounds_up_and_unavailable_rounds_down(
    replicas: int, surge: object, unavailable: object, expected: tuple[int, int]
) -> None:
    surge_pods, unavailable_pods = rolling.bounds(a_deployment(replicas, surge, unavailable))
    assert (surge_pods, unavailable_pods) == expected


@pytest.mark.parametrize(
    ("new", "olds", "expected"),
    [
        (Scale("new", 0), [Scale("old", 4)], 1),
        (Scale("new", 1), [Scale("old", 3)], 2),
        (Scale("new", 2), [Scale("old", 3)], 2),
        (Scale("new", 0), [], 4),
        (Scale("new", 9), [], 4),
        (Scale("new", 0), [Scale("old", 6)], 0),
    ],
)
def test_the_new_set_takes_the_room_that_the_surge_leaves(new: Scale, olds: list[Scale], expected: int) -> None:
    assert rolling.grow_new(4, 1, new, olds) == expected


@pytest.mark.parametrize(
    ("new", "olds", "expected"),
    [
        pytest.param(Scale("n", 1), [Scale("a", 4, available=4)], {"a": 3}, id="unavailable allows one less at once"),
        pytest.param(
            Scale("n", 2), [Scale("a", 3, available=3)], {"a": 3}, id="a new set that is not ready frees nothing"
        ),
        pytest.param(
            Scale("n", 2, available=2), [Scale("a", 3, available=3)], {"a": 1}, id="available new pods free old"
        ),
        pytest.param(
            Scale("n", 1), [Scale("a", 4, available=2)], {"a": 3}, id="unhealthy old pods go, within the bounds"
        ),
        pytest.param(
            Scale("n", 1, available=1),
            [Scale("a", 2, available=0), Scale("b", 2, available=2)],
            {"a": 0, "b": 2},
            id="unhealthy pods of any set go before healthy ones",
        ),
    ],
)
def test_old_sets_shrink_only_as_far_as_availability_allows(
    new: Scale, olds: list[Scale], expected: dict[str, int]
) -> None:
    assert rolling.shrink_old(4, 1, new, olds) == expected


def test_scaling_in_mid_rollout_keeps_the_sets_in_proportion() -> None:
    sets = [Scale("old", 6, largest=10), Scale("new", 4, largest=10)]
    target = rolling.proportional(20, 0, sets)
    assert target == {"old": 12, "new": 8}


@settings(deadline=None)  # other work on the machine is not this arithmetic's fault
@given(
    replicas=st.integers(1, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    readiness=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=200, max_size=200),
)
def test_no_order_of_readiness_breaks_the_bounds(
    replicas: int, surge: int, unavailable: int, readiness: list[tuple[bool, bool]]
) -> None:
    surge, unavailable = rolling.bounds(a_deployment(replicas, surge, unavailable))
    new, old, new_ready = 0, replicas, 0
    for grow, ready in readiness:
        if ready and new_ready < new:
            new_ready += 1
        new_set, old_set = Scale("n", new, available=new_ready), Scale("o", old, available=old)
        if grow:
            new = rolling.grow_new(replicas, surge, new_set, [old_set])
        else:
            old = rolling.shrink_old(replicas, unavailable, new_set, [old_set])["o"]
        assert new + old <= replicas + surge
        assert new_ready + old >= replicas - unavailable
    for _ in range(100):
        new = rolling.grow_new(replicas, surge, Scale("n", new, available=new), [Scale("o", old, available=old)])
        old = rolling.shrink_old(
            replicas, unavailable, Scale("n", new, available=new), [Scale("o", old, available=old)]
        )["o"]
    assert (new, old) == (replicas, 0)


def test_the_hash_depends_on_the_template_alone() -> None:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    reordered = {"spec": template["spec"], "metadata": template["metadata"]}
    assert rolling.template_hash(template, 0) == rolling.template_hash(reordered, 0)
    assert rolling.template_hash(template, 0) != rolling.template_hash(template, 1)
