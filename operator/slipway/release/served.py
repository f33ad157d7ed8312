"""What serves: a release as it was declared, with what was settled when its revision was created."""

from __future__ import annotations

from slipway.api import ModelRevisionSpec, ReleaseSpec


def wants_runtime(release: ReleaseSpec) -> bool:
    """Whether a release leaves it to a runtime what serves its model."""
    return release.runtime is not None or release.container is None or release.container.image is None


def served_release(revision: ModelRevisionSpec) -> ReleaseSpec:
    """The release that pods, Services and requests are made from: its container is whole.

    Raises ValueError where nothing says what serves: somebody else than the operator wrote the revision.
    """
    runtime = revision.runtime
    if runtime is not None:
        settled = {"container": runtime.container, "protocol": runtime.protocol, "pod": runtime.pod}
        return revision.release.model_copy(update=settled)
    if wants_runtime(revision.release):
        raise ValueError("spec.runtime: nothing says what serves this release")
    return revision.release
