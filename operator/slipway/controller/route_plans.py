"""What was decided of the traffic, in the words of the router."""

from __future__ import annotations

from collections.abc import Mapping

from slipway.controller.observe import Scene
from slipway.controller.routing import names_revisions
from slipway.release import revision_name
from slipway.rollout import Beside
from slipway.traffic import Backend, RoutePlan
from slipway.workload import named_ports


def route_plan(scene: Scene, weights: Mapping[str, int], beside: Beside) -> RoutePlan:
    """Shares that were decided by hash, by the names of Services."""
    strategy = scene.spec.strategy

    def service(hash_: str | None) -> str | None:
        return revision_name(scene.name, hash_) if hash_ is not None else None

    def backend(hash_: str, share: int) -> Backend:
        port = named_ports(scene.release(hash_))[0].name
        return Backend(revision_name(scene.name, hash_), share, port)

    sticky = strategy.ab_test.sticky if strategy.ab_test is not None and len(weights) > 1 else None
    return RoutePlan(
        backends=[backend(hash_, share) for hash_, share in sorted(weights.items()) if share],
        mirror=backend(beside.mirror, beside.mirrored) if beside.mirror is not None else None,
        matches=tuple(strategy.ab_test.matches or ()) if strategy.ab_test is not None and beside.matched else (),
        matched=service(beside.matched),
        preview=strategy.blue_green.preview if strategy.blue_green is not None and beside.previewed else None,
        previewed=service(beside.previewed),
        sticky=sticky,
        named=names_revisions(scene.spec) and scene.routing is not None and scene.routing.capabilities.named,
    )
