"""Going back: which release was good before, and the patch that declares it again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.api import Policy
from slipway.cli.picture import Picture, Tried
from slipway.cli.view import ON_TRIAL
from slipway.cluster import Object
from slipway.release import declared_release, is_automatic, release_hash


def in_flight(tried: Tried | None) -> bool:
    """Whether going back is hauling back: the release is on its way up, or watched after its promotion."""
    return tried is not None and tried.record.phase in ON_TRIAL


def earlier(picture: Picture) -> Tried | None:
    """The release to go back to: the stable one where something else is declared, else the one before it."""
    stable = picture.of(picture.status.stable)
    if stable is not None and stable.hash != release_hash(picture.release):
        return stable
    served = [(tried.record.stable_until, tried) for tried in picture.revisions.values() if tried is not stable]
    ended = [(until, tried) for until, tried in served if until is not None]
    return max(ended, key=lambda pair: pair[0])[1] if ended else None


def patch(picture: Picture, to: Tried) -> Object:
    """The merge patch that makes the declared release exactly that one, on exactly the version that was looked at.

    A registry that said which version is declared only suggests from then on.

    Not a server-side apply: it would leave what other managers own, and a release mixed of two was never judged.
    """
    written = picture.raw_spec.get("release") or {}
    release = exactly(declared_release(written), to.release)
    if is_automatic(written):  # or else the registry's version would come back at once
        release["from"] = {"policy": Policy.SUGGEST.value}
    return {"metadata": {"resourceVersion": picture.resource_version}, "spec": {"release": release}}


def exactly(before: Mapping[str, Any], after: Mapping[str, Any]) -> Object:
    """The merge patch (RFC 7386) that makes `after` of `before`: lists are given whole, what is not wanted is null."""
    out: Object = {name: None for name in before if name not in after}
    for name, value in after.items():
        known = before.get(name)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            inner = exactly(known, value)
            if inner:
                out[name] = inner
        elif value != known:
            out[name] = value
    return out
