"""``ModelRuntime`` and ``ClusterModelRuntime``: how models of a format are served, written once for many releases.

A release names a runtime, or only the format of its model. What that comes to is frozen in the ModelRevision, so that
an edit of a runtime changes nothing that serves: the digest of a runtime is what tells that it was edited.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from slipway.api.common import Digest, ObjectName, SpecModel, Text64
from slipway.api.container import ContainerSpec, Image
from slipway.api.delivery import ModelPath
from slipway.api.protocol import ProtocolSpec
from slipway.api.release import PodSettings, RuntimeKind
from slipway.api.sources import Runtime
from slipway.api.warmup import WarmUp

MODEL_RUNTIME_KIND: Final = "ModelRuntime"
CLUSTER_MODEL_RUNTIME_KIND: Final = "ClusterModelRuntime"


class SupportedFormat(SpecModel):
    """A format of models that the runtime serves."""

    name: Annotated[Text64, Field(description="What releases say in spec.release.model.format.")]
    version: Annotated[
        Text64 | None,
        Field(
            description="The one version of the format that is served; releases say theirs in model.formatVersion. Default: each."
        ),
    ] = None
    priority: Annotated[
        int | None,
        Field(ge=0, le=1000, description="Of two runtimes for a format the one with more is chosen. Default: 0."),
    ] = None
    auto_select: Annotated[
        bool | None,
        Field(description="Whether releases that name no runtime may get this one. Default: true."),
    ] = None


class RuntimeContainer(ContainerSpec):
    """The container that serves. Its texts may hold variables."""

    image: Annotated[
        Image | None,
        Field(
            description="Image of the model server, with a tag or a digest. Default: none; releases have to name theirs."
        ),
    ] = None


class ServingContainer(ContainerSpec):
    """The container that serves, whole, and without variables."""

    image: Annotated[Image, Field(description="Image of the model server, with a tag or a digest.")]


class RuntimeDelivery(SpecModel):
    """That the model's files are to be in the container before the server starts."""

    path: Annotated[
        ModelPath | None,
        Field(description="The folder that they are in; what {{model.path}} says. Default: /mnt/models."),
    ] = None


class RuntimeMetrics(SpecModel):
    """What the server shows of itself."""

    preset: Annotated[
        Runtime, Field(description="The server that the pods run: what it calls its counters, and where, is known.")
    ]


class RuntimeAdapters(SpecModel):
    """How the server is told of a release's adapters: arguments behind its others, where the release has some."""

    args: Annotated[
        list[Annotated[str, Field(max_length=4096)]],
        Field(min_length=1, max_length=16, description="Arguments that are said once, before the adapters."),
    ]
    each: Annotated[
        str,
        Field(
            min_length=1,
            max_length=4096,
            description="The argument of each adapter; {{adapter.name}} and {{adapter.path}} are its own.",
        ),
    ]


class ModelRuntimeSpec(SpecModel):
    """How models of some formats are served.

    Texts of the container and of the delivery take the variables {{model.name}}, {{model.version}}, {{model.format}},
    {{model.uri}}, {{model.path}} and {{model.base}}, which is what the weights that model.uri names are offered as: the
    name of the model, with -base behind it where an adapter has that name. A variable that the release says nothing of is an error of that release.
    """

    supported_formats: Annotated[
        list[SupportedFormat] | None,
        Field(
            max_length=32,
            description="Formats of models that it serves. Default: none, so that releases have to name the runtime.",
        ),
    ] = None
    container: RuntimeContainer
    protocol: Annotated[
        ProtocolSpec | None,
        Field(description="What the server speaks. Default: the Open Inference Protocol V2."),
    ] = None
    pod: Annotated[PodSettings | None, Field(description="What a release does not say of its pods itself.")] = None
    delivery: RuntimeDelivery | None = None
    metrics: Annotated[
        RuntimeMetrics | None,
        Field(description="What metrics of the pods are read by where they name no counters of their own."),
    ] = None
    warm_up: Annotated[
        WarmUp | None,
        Field(description="Requests that each pod of a candidate has to answer first, where its release says none."),
    ] = None
    adapters: Annotated[
        RuntimeAdapters | None, Field(description="How it takes adapters. Default: releases cannot have any.")
    ] = None


class ModelRuntime(SpecModel):
    """How models of some formats are served in one namespace."""

    spec: ModelRuntimeSpec


class ClusterModelRuntime(SpecModel):
    """How models of some formats are served in every namespace that has no runtime of its own for them."""

    spec: ModelRuntimeSpec


class FrozenRuntime(SpecModel):
    """What a release and a runtime came to when the revision was created: this is what serves."""

    kind: Annotated[RuntimeKind, Field(description="Kind of the runtime that was chosen.")]
    name: Annotated[ObjectName, Field(description="Its name.")]
    digest: Annotated[Digest, Field(description="Digest of the runtime's specification at that time.")]
    container: ServingContainer
    protocol: ProtocolSpec | None = None
    pod: PodSettings | None = None
    delivery: RuntimeDelivery | None = None
    metrics: RuntimeMetrics | None = None
    warm_up: WarmUp | None = None
