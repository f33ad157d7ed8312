"""What a warm-up asks, and what is wrong with one that cannot be asked. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from slipway.api import AnalysisSpec, WarmUp
from slipway.rollout.evidence import GoldenRequest


class WarmUpError(ValueError):
    """A warm-up that cannot be asked. The message begins with the field, below that of the warm-up."""


def item_of(warm_up: WarmUp, check: Callable[[Any], None] | None = None) -> Any:
    """The inputs that a warm-up names itself; None for one that takes them from a golden set.

    Raises WarmUpError, also where `check` raises ValueError for them.
    """
    if warm_up.item is None:
        return None
    try:
        inputs = json.loads(warm_up.item)
    except (ValueError, RecursionError):
        raise WarmUpError("item: it is no JSON text: write what an item of a golden set has in its inputs") from None
    if inputs is None:
        raise WarmUpError("item: it is null: write what an item of a golden set has in its inputs")
    try:
        if check is not None:
            check(inputs)
    except ValueError as error:
        raise WarmUpError(f"item: {error}") from None
    return inputs


def golden_set_of(warm_up: WarmUp, analysis: AnalysisSpec) -> GoldenRequest:
    """The first golden set that the operator replays itself: its items are asked. Raises WarmUpError."""
    for metric in analysis.metrics or ():
        golden = metric.golden_set
        if golden is not None and not golden.in_job and golden.model is None:
            return GoldenRequest(metric.name, golden, start=0, limit=warm_up.requests, dataset=None)
    raise WarmUpError(
        "fromGoldenSet: spec.analysis.metrics has no golden set that the operator replays itself (configMap, or an "
        "http address without a job): add one, or write item"
    )


def warm_up_problem(warm_up: WarmUp, analysis: AnalysisSpec) -> str | None:
    """What the manifest alone tells to be wrong; begins with the field, below that of the warm-up."""
    try:
        if item_of(warm_up) is None:
            golden_set_of(warm_up, analysis)
    except WarmUpError as error:
        return str(error)
    return None
