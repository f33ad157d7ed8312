"""A container of a pod, as far as its author may say it: an allow-list.

What one container of a release may say, each may. Nothing in here has a default that the API server would write.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, WithJsonSchema

from slipway.api.common import ConfigMapKey, ObjectName, PortName, SpecModel, Text1024, list_map, validations

QUANTITY_PATTERN = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"

Quantity = Annotated[
    int | str,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": QUANTITY_PATTERN, "maxLength": 32}),
]
"""A Kubernetes resource quantity, such as ``500m``, ``2`` or ``4Gi``."""

Port = Annotated[int, Field(ge=1, le=65535)]
PortReference = Annotated[
    int | str,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 15}),
]
"""A port's number or its name."""

DEFAULT_PORT: Final = 8080
"""Where a container that names no port is expected to listen."""

Image = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\s]+$")]

EnvName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
ResourceMap = Annotated[dict[Annotated[str, Field(max_length=128)], Quantity], Field(max_length=16)]


class SecretKey(SpecModel):
    """A key of a Secret in the ModelDeployment's namespace."""

    name: Annotated[ObjectName, Field(description="Name of the Secret.")]
    key: Annotated[ConfigMapKey, Field(description="Key in the Secret.")]
    optional: bool | None = None


class ConfigMapKeyReference(SpecModel):
    """A key of a ConfigMap in the ModelDeployment's namespace."""

    name: ObjectName
    key: ConfigMapKey
    optional: bool | None = None


class FieldReference(SpecModel):
    """A field of the pod."""

    field_path: Annotated[
        str,
        Field(
            max_length=320,
            pattern=r"^(metadata\.(name|namespace|uid|labels\['[^']+'\]|annotations\['[^']+'\])|spec\.(nodeName|serviceAccountName)|status\.(podIP|podIPs|hostIP|hostIPs))$",
        ),
    ]


class EnvSource(SpecModel):
    """Where a variable's value comes from: exactly one of the three."""

    model_config = validations(
        (
            "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].filter(x, x).size() == 1",
            "valueFrom takes exactly one of secretKeyRef, configMapKeyRef and fieldRef",
        )
    )

    secret_key_ref: SecretKey | None = None
    config_map_key_ref: ConfigMapKeyReference | None = None
    field_ref: FieldReference | None = None


class EnvVar(SpecModel):
    """An environment variable of the container, as in a pod."""

    model_config = validations(
        ("!(has(self.value) && has(self.valueFrom))", "a variable takes value or valueFrom, not both")
    )

    name: EnvName
    value: Annotated[str | None, Field(max_length=32768)] = None
    value_from: EnvSource | None = None


class ContainerPort(SpecModel):
    """A port that the container listens on. The first one is where inference requests go."""

    name: Annotated[
        PortName | None, Field(description="Name of the port, by which probes and metric sources may refer to it.")
    ] = None
    container_port: Annotated[Port, Field(description="Number of the port.")]
    protocol: Annotated[Literal["TCP"] | None, Field(description="Always TCP.")] = None


class Resources(SpecModel):
    """Compute resources, as in a pod."""

    requests: Annotated[
        ResourceMap | None, Field(description="What is set aside for the container, such as cpu: 500m or memory: 2Gi.")
    ] = None
    limits: Annotated[
        ResourceMap | None, Field(description="What the container may use at most. Accelerators are asked for here.")
    ] = None


class HttpGet(SpecModel):
    """A probe by HTTP."""

    path: Annotated[str | None, Field(max_length=1024, pattern=r"^/")] = None
    port: PortReference
    scheme: Literal["HTTP", "HTTPS"] | None = None


class TcpSocket(SpecModel):
    """A probe by opening a connection."""

    port: PortReference


class ExecAction(SpecModel):
    """A probe by a command in the container."""

    command: Annotated[list[Text1024], Field(min_length=1, max_length=64)]


class Probe(SpecModel):
    """A container probe, as in a pod."""

    model_config = validations(
        (
            "[has(self.httpGet), has(self.tcpSocket), has(self.exec)].filter(x, x).size() == 1",
            "a probe takes exactly one of httpGet, tcpSocket and exec",
        )
    )

    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    exec: ExecAction | None = None
    initial_delay_seconds: Annotated[int | None, Field(ge=0, le=86400)] = None
    period_seconds: Annotated[int | None, Field(ge=1, le=86400)] = None
    timeout_seconds: Annotated[int | None, Field(ge=1, le=3600)] = None
    success_threshold: Annotated[int | None, Field(ge=1, le=100)] = None
    failure_threshold: Annotated[int | None, Field(ge=1, le=1000)] = None


class ContainerSpec(SpecModel):
    """The container that serves the model; beside a runtime, what is to be different in it.

    Of a runtime's container each field here replaces its own. Variables replace those of the same name, and requests
    and limits those of the same resource.
    """

    model_config = validations(
        *(
            (
                f"!has(self.{probe}) || !has(self.{probe}.successThreshold) || self.{probe}.successThreshold == 1",
                f"successThreshold of {probe} has to be 1",
            )
            for probe in ("livenessProbe", "startupProbe")
        ),
        (
            "!has(self.ports) || self.ports.all(p, !has(p.name) || self.ports.exists_one(q, has(q.name) && q.name == p.name))",
            "the names of ports have to differ",
        ),
    )

    image: Annotated[
        Image | None,
        Field(description="Image of the model server, with a tag or a digest. Default: that of the runtime."),
    ] = None
    command: Annotated[
        list[Text1024] | None,
        Field(description="Command that is run in the place of the image's entry point.", max_length=64),
    ] = None
    args: Annotated[
        list[Annotated[str, Field(max_length=4096)]] | None,
        Field(description="Arguments of the command.", max_length=128),
    ] = None
    env: Annotated[
        list[EnvVar] | None,
        Field(description="Environment variables of the container.", max_length=128),
        list_map("name"),
    ] = None
    ports: Annotated[
        list[ContainerPort] | None,
        Field(max_length=8, description="The first port takes the inference requests. Default: 8080."),
        list_map("containerPort"),
    ] = None
    resources: Resources | None = None
    readiness_probe: Annotated[
        Probe | None,
        Field(
            description="How the container tells that it can answer, as in a pod. Default: GET on the first port, every 2 s, of the path by which the protocol tells that the server is ready, such as /v2/health/ready."
        ),
    ] = None
    liveness_probe: Probe | None = None
    startup_probe: Probe | None = None
