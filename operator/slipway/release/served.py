"""What serves: a release as it was declared, with what was settled when its revision was created."""

from __future__ import annotations

from slipway.api import DeliverySpec, ModelRevisionSpec, ProtocolSpec, ReleaseSpec, RuntimeDelivery


def wants_runtime(release: ReleaseSpec) -> bool:
    """Whether a release leaves it to a runtime what serves its model."""
    return release.runtime is not None or release.container is None or release.container.image is None


def served_release(revision: ModelRevisionSpec) -> ReleaseSpec:
    """The release that pods, Services and requests are made from: its container is whole, and it says of its delivery
    whether there is one.

    Raises ValueError where nothing says what serves: somebody else than the operator wrote the revision.
    """
    runtime = revision.runtime
    if runtime is not None:
        settled = {
            "container": runtime.container,
            "protocol": runtime.protocol,
            "pod": runtime.pod,
            "delivery": _delivery(revision.release.delivery, runtime.delivery),
            "warm_up": runtime.warm_up,
        }
        return revision.release.model_copy(update=settled)
    if wants_runtime(revision.release):
        raise ValueError("spec.runtime: nothing says what serves this release")
    return revision.release


def asked_protocol(release: ReleaseSpec) -> ProtocolSpec | None:
    """How requests are put to a release: to its transformer where one stands in front of the model."""
    own = release.transformer.protocol if release.transformer is not None else None
    return own or release.protocol


def _delivery(declared: DeliverySpec | None, runtime: RuntimeDelivery | None) -> DeliverySpec | None:
    if runtime is None:
        return declared
    if declared is None:
        return DeliverySpec(path=runtime.path)
    return declared.model_copy(update={"path": declared.path or runtime.path})
