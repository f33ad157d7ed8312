"""``spec.release.adapters``: small weights on a base that several releases share, such as LoRA adapters."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from slipway.api.common import Digest, SpecModel, Uri

MAX_ADAPTERS: Final = 16

AdapterName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$")]

ADAPTERS_PATH: Final = "/mnt/adapters"
"""The folder of the container that adapters are in, read-only."""


def adapter_path(name: str) -> str:
    """The folder of the container that an adapter is in."""
    return f"{ADAPTERS_PATH}/{name}"


class AdapterSpec(SpecModel):
    """An adapter. It is fetched as the model is, by spec.release.delivery."""

    name: Annotated[
        AdapterName,
        Field(description="Name under which the server offers it. Where it is model.name, gates ask for the adapter."),
    ]
    uri: Annotated[Uri, Field(description="Where it is.")]
    digest: Annotated[
        Digest,
        Field(description="Digest of its files, as slipway fetch prints it. Other files keep a pod from starting."),
    ]


_EACH: Final = "!has(self.adapters) || self.adapters.all(a, "

ADAPTER_RULES: Final = (
    (
        "!has(self.adapters) || has(self.delivery) || has(self.runtime) || !has(self.container) || !has(self.container.image)",
        "adapters are brought into the pod beside the model: say how in delivery, or name a runtime that delivers",
    ),
    (
        _EACH + "a.uri.matches('^((s3|gs|az|hf|http|https|oci|file)://|mlflow:)'))",
        "adapters[].uri cannot be delivered: begin it with s3://, gs://, az://, hf://, https://, oci://, file:// or mlflow:",
    ),
    (
        _EACH + "!a.uri.matches('^(s3|gs|az|http|https|oci|file)://[^/]*@'))",
        "adapters[].uri holds a user or a password: leave them out, and name a Secret in delivery.credentials.secretName",
    ),
    (
        _EACH
        + "!a.uri.matches('(?i)[?&](x-(amz|goog|ms)-|sig=|signature=|[^=&]*(token|secret|passw|credential|api[-_]?key)[^=&]*=)'))",
        "the query of adapters[].uri holds a token or a signature: leave it out, and name a Secret in delivery.credentials.secretName",
    ),
    (
        _EACH + "a.digest.startsWith('sha256:'))",
        "adapters[].digest is a sha256 of the files: write what slipway fetch prints",
    ),
)
"""Rules of a release about its adapters, as pairs of rule and message."""
