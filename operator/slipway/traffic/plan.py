"""Whether a router can carry a plan out, said once for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from slipway.traffic.router import WHOLE, Backend, Capabilities, PlanError, RoutePlan


def refusal(plan: RoutePlan, capabilities: Capabilities, *, router: str) -> str | None:
    """The first thing in the plan that the router cannot do; None when it can do all of it.

    `router` is the field that names it, such as ``spec.traffic.service``.
    """
    return next(_refusals(plan, capabilities, router), None)


def serving_backends(plan: RoutePlan, capabilities: Capabilities, *, router: str) -> tuple[Backend, ...]:
    """The backends above 0. Raises PlanError when the router cannot carry the plan out, or its shares are none."""
    problem = refusal(plan, capabilities, router=router)
    if problem is not None:
        raise PlanError(problem)
    return tuple(backend for backend in plan.backends if backend.basis_points)


def copied(plan: RoutePlan) -> Backend | None:
    """The Service that gets copies; None where its share of the requests is 0."""
    return plan.mirror if plan.mirror is not None and plan.mirror.basis_points else None


def preview_host(plan: RoutePlan, hostnames: Collection[str] | None, *, router: str) -> str | None:
    """The host of the preview. Raises PlanError when users come by it too: they would all be led to the candidate."""
    host = plan.preview.hostname if plan.preview is not None else None
    if host is not None and host in (hostnames or ()):
        raise PlanError(
            f"spec.strategy.blueGreen.preview.hostname: {host} is one of {router}.hostnames too, where all users are: "
            "give the preview a host of its own"
        )
    return host


def _refusals(plan: RoutePlan, able: Capabilities, router: str) -> Iterator[str]:
    yield from _shares(plan, able, router)
    yield from _named(plan, able, router)
    mirror = copied(plan)
    if mirror is not None and not able.mirror:
        yield f"{router}: it cannot copy requests, so there can be no shadow stage: use another router or strategy"
    elif mirror is not None and mirror.basis_points != WHOLE:
        if not able.mirror_percent:
            yield f"{router}: it copies all requests or none: shadow takes percent 100 here"
        elif mirror.basis_points % able.mirror_resolution:
            step = able.mirror_resolution / 100
            yield f"{router}: it copies requests in steps of {step:g} percent: round shadow's percent"
    if bool(plan.matches) != (plan.matched is not None):
        yield f"{plan.matched or 'no Service'} for {len(plan.matches)} matches: matches and their Service go together"
    if plan.matches and not able.match:
        yield f"{router}: it cannot match headers or cookies: leave out strategy.abTest.matches, or use another router"
    elif not able.cookies and any(match.cookie is not None for match in plan.matches):
        yield f"{router}: it cannot match the value of a cookie: match a header, or use another router"
    if (plan.preview is None) != (plan.previewed is None):
        yield f"{plan.previewed or 'no Service'} under {plan.preview}: a preview and its Service go together"
    if plan.preview is not None and not able.preview:
        yield f"{router}: it has no preview address: leave out strategy.blueGreen.preview, or use another router"
    if plan.sticky is not None and not able.sticky:
        yield f"{router}: it keeps no client with a release: leave out strategy.abTest.sticky, or use another router"


def _named(plan: RoutePlan, able: Capabilities, router: str) -> Iterator[str]:
    if plan.named and not able.named:
        yield f"{router}: it cannot write into an answer which release gave it"


def _shares(plan: RoutePlan, able: Capabilities, router: str) -> Iterator[str]:
    names = [backend.service for backend in plan.backends]
    if len(set(names)) != len(names):
        yield f"a Service is named twice in {names}"
    serving = [backend for backend in plan.backends if backend.basis_points]
    total = sum(backend.basis_points for backend in serving)
    if serving and total != WHOLE:
        # Weights are relative: a gateway would make the missing part up from the others without a word.
        yield f"the shares of {[backend.service for backend in serving]} are {total} in total, not {WHOLE}"
    uneven = [backend for backend in serving if backend.basis_points % able.resolution]
    if uneven and not able.by_replicas:
        step, weight = able.resolution / 100, uneven[0].basis_points / 100
        yield f"{router}: it splits in steps of {step:g} percent, and {weight:g} is none: round the weight"
