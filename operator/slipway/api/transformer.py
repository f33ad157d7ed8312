"""``spec.release.transformer``: what stands in front of the model, such as the step that makes features of raw inputs.

It is in the same pod as the model, so that one pod is one version of both, and no request can meet two.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway.api.common import SpecModel, list_map
from slipway.api.container import ContainerPort, ContainerSpec, Image, Probe
from slipway.api.protocol import ProtocolSpec


class TransformerContainer(ContainerSpec):
    """The container of the transformer: all that may be said of the model's, with an image and a port of its own.

    It finds the model at SLIPWAY_PREDICTOR_URL, on the address POD_IP that both have. SLIPWAY_MODEL_NAME and
    SLIPWAY_MODEL_VERSION are the model's, and SLIPWAY_PIPELINE_NAME, SLIPWAY_PIPELINE_VERSION, SLIPWAY_PIPELINE_URI and
    SLIPWAY_PIPELINE_DIGEST say what featurePipeline does.
    """

    image: Annotated[Image, Field(description="Image of the transformer, with a tag or a digest.")]
    ports: Annotated[
        list[ContainerPort],
        Field(
            min_length=1,
            max_length=8,
            description="The first port takes the inference requests. Numbers and names have to differ from those of the model's container.",
        ),
        list_map("containerPort"),
    ]
    readiness_probe: Annotated[
        Probe | None,
        Field(
            description="How the transformer tells that it can answer, as in a pod. Default: GET on its first port, every 2 s, of the path by which its protocol tells that the server is ready, such as /v2/health/ready."
        ),
    ] = None


class TransformerSpec(SpecModel):
    """A container in front of the model, in the same pod: requests, readiness and golden sets go to it."""

    container: TransformerContainer
    protocol: Annotated[
        ProtocolSpec | None,
        Field(description="How the transformer is asked. Default: as the model is, by spec.release.protocol."),
    ] = None
