"""The forms that pods have been given, one after the other: an upgrade of the operator restarts nobody's models.

A Deployment keeps the form that its pods were born with; only a Deployment that is made new gets the newest one. So a
better form reaches a model with its next release, and a repair of what somebody changed by hand gives back what was
there before.

To change what is rendered, add a function behind the newest one, and never change one that was released: the golden
files in ``tests/upgrade`` hold the pods of every released version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from slipway.api import GROUP, ReleaseSpec
from slipway.workload.podspec import pod_spec
from slipway.workload.transformer import with_transformer

ANNOTATION_FORM: Final = f"{GROUP}/pod-form"
"""On a Deployment: the number of the form that its pods were born with. The first form is not said, because the
Deployments of the first version say nothing."""


class PodForm(Protocol):
    """From a release to the ``spec`` of its pods, the same for ever. With `drain` they pause before they end."""

    def __call__(self, release: ReleaseSpec, *, drain: bool) -> dict[str, Any]:
        """Render it."""


def _first(release: ReleaseSpec, *, drain: bool) -> dict[str, Any]:
    """The model's container, and what later versions put beside it for fields that the first one did not know."""
    return with_transformer(pod_spec(release, drain=drain), release, drain=drain)


FORMS: Final[list[PodForm]] = [_first]
"""Form 1 first. A list, so that a test can bring what a later version might."""


def newest_form() -> int:
    """The number of the form that a new Deployment is born with."""
    return len(FORMS)


def form_of(live: Mapping[str, Any]) -> int:
    """The number of the form that a live Deployment was born with. It may be a newer one than this version knows."""
    said = str((live["metadata"].get("annotations") or {}).get(ANNOTATION_FORM, ""))
    return max(1, int(said)) if said.isascii() and said.isdigit() else 1
