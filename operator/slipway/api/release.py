"""``spec.release``: what serves, and what it was made from. The unit that rolls out and rolls back as a whole.

No field here has a default that the API server would write: the release's hash is taken over what the user wrote.

The author of a ModelDeployment is not the administrator of the cluster. What may be said of pods is therefore a list of
allowed fields; host namespaces, host paths, privileges and service account tokens are not among them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipway.api.adapters import ADAPTER_RULES, MAX_ADAPTERS, AdapterSpec
from slipway.api.common import (
    Digest,
    ObjectName,
    SpecModel,
    Text64,
    Text256,
    Text1024,
    Timestamp,
    Uri,
    list_map,
    validations,
)
from slipway.api.container import ContainerSpec
from slipway.api.delivery import DELIVERY_RULES, DeliverySpec
from slipway.api.protocol import ProtocolSpec
from slipway.api.registry import RegistrySpec
from slipway.api.transformer import TransformerSpec
from slipway.api.verification import VERIFICATION_RULES, VerificationSpec
from slipway.api.warmup import WarmUp

MAX_ID = 2147483647
"""The largest number of a user or a group that Kubernetes takes."""

RuntimeKind = Literal["ModelRuntime", "ClusterModelRuntime"]
LabelMap = Annotated[
    dict[Annotated[str, Field(max_length=317)], Annotated[str, Field(max_length=63)]], Field(max_length=32)
]


ModelName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$")]


class ModelSpec(SpecModel):
    """The model itself."""

    name: Annotated[
        ModelName,
        Field(description="Name under which the server offers the model: the {model} of its inference protocol."),
    ]
    version: Annotated[
        Text64,
        Field(
            description="Version of the model, for people and for the record. Left out only where from.policy is Automatic."
        ),
    ] = ""
    uri: Annotated[
        Uri | None,
        Field(description="Where the weights are. Handed to the container as SLIPWAY_MODEL_URI."),
    ] = None
    format: Annotated[
        Text64 | None,
        Field(
            description="Format of the weights, such as onnx or sklearn. Where neither a runtime nor an image is named, it chooses the runtime."
        ),
    ] = None
    format_version: Annotated[
        Text64 | None,
        Field(description="Version of the format, for runtimes that serve one version only. Default: any will do."),
    ] = None
    digest: Annotated[
        Digest | None,
        Field(description="Digest of the weights. Handed to the container as SLIPWAY_MODEL_DIGEST."),
    ] = None
    also_serves: Annotated[
        list[ModelName] | None,
        Field(
            min_length=1,
            max_length=32,
            description="Further models that the same server offers, such as other heads or languages. Each has to be ready before the release takes traffic, and goldenSet.model may ask for it.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = None


class Toleration(SpecModel):
    """A toleration, as in a pod."""

    key: Annotated[str | None, Field(max_length=317)] = None
    operator: Literal["Exists", "Equal"] | None = None
    value: Annotated[str | None, Field(max_length=63)] = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int | None, Field(ge=0)] = None


class PullSecret(SpecModel):
    """A Secret with registry credentials in the ModelDeployment's namespace."""

    name: Annotated[ObjectName, Field(description="Name of the Secret.")]


class PodSecurity(SpecModel):
    """As whom the pods run. Left out, as whom the image says; written, a namespace that enforces the Pod Security
    Standard `restricted` takes them."""

    run_as_non_root: Annotated[
        bool | None,
        Field(
            description="Refuse to start an image that runs as root. The Pod Security Standard restricted demands it."
        ),
    ] = None
    run_as_user: Annotated[
        int | None,
        Field(ge=1, le=MAX_ID, description="The user's number; for an image that names root, a name, or nobody."),
    ] = None
    run_as_group: Annotated[int | None, Field(ge=0, le=MAX_ID, description="The number of its first group.")] = None
    fs_group: Annotated[
        int | None, Field(ge=0, le=MAX_ID, description="A group that mounted volumes are readable for.")
    ] = None


class PodSettings(SpecModel):
    """What may be said of the pods: an allow-list."""

    node_selector: Annotated[LabelMap | None, Field(description="Labels that a node has to have.")] = None
    tolerations: Annotated[
        list[Toleration] | None, Field(description="Taints of nodes that the pods put up with.", max_length=32)
    ] = None
    service_account_name: Annotated[
        ObjectName | None, Field(description="ServiceAccount of the pods. Its token is not mounted.")
    ] = None
    image_pull_secrets: Annotated[
        list[PullSecret] | None,
        Field(description="Secrets with the credentials of the image's registry.", max_length=8),
    ] = None
    priority_class_name: Annotated[ObjectName | None, Field(description="PriorityClass of the pods.")] = None
    runtime_class_name: Annotated[ObjectName | None, Field(description="RuntimeClass of the pods.")] = None
    termination_grace_period_seconds: Annotated[
        int | None, Field(description="Seconds that a pod has to end in. Default: 30.", ge=1, le=3600)
    ] = None
    security_context: PodSecurity | None = None


class FeaturePipeline(SpecModel):
    """The code and fitted state that turn raw inputs into features. Recorded and hashed with the release."""

    name: Annotated[Text256, Field(description="Name of the pipeline.")]
    version: Annotated[Text64 | None, Field(description="Version of the pipeline.")] = None
    uri: Annotated[Uri | None, Field(description="Where the fitted pipeline is.")] = None
    digest: Annotated[Digest | None, Field(description="Digest of the fitted pipeline.")] = None


class Dataset(SpecModel):
    """The data that the model was trained on."""

    uri: Annotated[Uri | None, Field(description="Where the data is.")] = None
    version: Annotated[Text256 | None, Field(description="Version of the data.")] = None
    digest: Annotated[Digest | None, Field(description="Digest of the data.")] = None


class CodeReference(SpecModel):
    """The code that trained the model."""

    repository: Annotated[Text1024, Field(description="Address of the repository.")]
    commit: Annotated[
        str,
        Field(
            description="Commit in hexadecimal, at least seven digits.",
            min_length=7,
            max_length=64,
            pattern=r"^[a-f0-9]+$",
        ),
    ]


class TrainingRun(SpecModel):
    """The run that produced the weights."""

    id: Annotated[Text256, Field(description="Id of the run where runs are tracked.")]
    uri: Annotated[Uri | None, Field(description="Where the run can be looked at.")] = None


class EvaluationResult(SpecModel):
    """What the model achieved before it was released, as its makers measured it."""

    name: Annotated[Text64, Field(description="What was measured, such as auc.")]
    value: Annotated[float, Field(description="The result, in the measure's own unit.")]
    dataset: Annotated[Text256 | None, Field(description="What it was measured on.")] = None
    uri: Annotated[Uri | None, Field(description="Where the evaluation can be looked at.")] = None


class Approval(SpecModel):
    """Somebody's word for the release before it was declared. Those of its rollout are in the revision's timeline."""

    by: Annotated[Text256, Field(description="Who gave it: a person, or a board.")]
    time: Annotated[Timestamp | None, Field(description="When it was given.")] = None
    uri: Annotated[Uri | None, Field(description="Where it can be looked at, such as a ticket.")] = None


class Lineage(SpecModel):
    """What the model was made from. Recorded and hashed with the release."""

    dataset: Dataset | None = None
    code: CodeReference | None = None
    training_run: TrainingRun | None = None
    evaluations: Annotated[
        list[EvaluationResult] | None,
        Field(max_length=32, description="Results of evaluations before the release."),
        list_map("name"),
    ] = None
    approvals: Annotated[
        list[Approval] | None,
        Field(max_length=16, description="Who approved the release before it was declared."),
        list_map("by"),
    ] = None


SchemaText = Annotated[str | None, Field(min_length=2, max_length=16384)]


class SchemasSpec(SpecModel):
    """JSON Schemas (draft 2020-12) of the bodies that the model takes and gives, as text.

    Text, because a hash is taken over the release: an object of somebody else's making would be changed by what servers
    and tools do to objects.
    """

    model_config = validations(
        ("has(self.input) || has(self.output)", "name input, output or both: which body is it of?")
    )

    input: Annotated[
        SchemaText,
        Field(description="Of a request's body. Items of a golden set that become another request are bad items."),
    ] = None
    output: Annotated[
        SchemaText,
        Field(description="Of an answer's body. Another answer is a failure, as if none had come."),
    ] = None


class RuntimeReference(SpecModel):
    """The runtime that serves the model."""

    name: Annotated[ObjectName, Field(description="Name of the runtime.")]
    kind: Annotated[
        RuntimeKind | None,
        Field(
            description="Kind of the runtime. Default: the ModelRuntime of this name, and the ClusterModelRuntime where there is none."
        ),
    ] = None
    digest: Annotated[
        Digest | None,
        Field(
            description="Digest that the runtime has to have, as its users' ModelRevisions tell it. To write another one rolls an edited runtime out."
        ),
    ] = None


class ReleaseSpec(SpecModel):
    """One release: model, container, feature pipeline and lineage, which roll out and roll back together."""

    model_config = validations(
        (
            "has(self.runtime) || has(self.model.format) || (has(self.container) && has(self.container.image))",
            "nothing says what serves the model: name container.image, runtime.name or model.format",
        ),
        (
            "!has(self.model.alsoServes) || !(has(self.protocol) && self.protocol.name == 'MLflow')",
            "MLflow's protocol does not name models: one server serves one of them, so leave model.alsoServes out",
        ),
        (
            "!has(self.model.alsoServes) || !(self.model.name in self.model.alsoServes)",
            "model.alsoServes names the models beside model.name: leave that one out",
        ),
        (
            "!has(self.transformer) || !has(self.container) || !has(self.container.ports) || self.container.ports.all(p, self.transformer.container.ports.all(q, p.containerPort != q.containerPort && !(has(p.name) && has(q.name) && p.name == q.name)))",
            "containers of one pod cannot share a port: give transformer.container.ports other numbers and names than container.ports",
        ),
        (
            "!has(self.transformer) || has(self.runtime) || !has(self.container) || !has(self.container.image) || has(self.container.ports) || self.transformer.container.ports.all(p, p.containerPort != 8080)",
            "the model's container listens on 8080 where it names no port: name another in transformer.container.ports, or in container.ports",
        ),
        (
            "has(self.model.version) || (has(self.from) && has(self.from.policy) && self.from.policy == 'Automatic')",
            "model.version is required, unless from.policy is Automatic",
        ),
        (
            "!(has(self.from) && has(self.from.policy) && self.from.policy == 'Automatic') || !(has(self.model.version) || has(self.model.uri) || has(self.model.digest))",
            "with from.policy Automatic the registry says model.version, model.uri and model.digest: leave them out, or set from.policy to Suggest",
        ),
        *DELIVERY_RULES,
        *VERIFICATION_RULES,
        *ADAPTER_RULES,
    )

    from_: Annotated[
        RegistrySpec | None,
        Field(
            alias="from",
            description="The registry that names the model's version. It is no part of the release: to add or to change it rolls nothing out.",
        ),
    ] = None
    model: ModelSpec
    runtime: RuntimeReference | None = None
    container: ContainerSpec | None = None
    protocol: Annotated[
        ProtocolSpec | None,
        Field(description="How the model is asked. Default: as the runtime says, or the Open Inference Protocol V2."),
    ] = None
    transformer: TransformerSpec | None = None
    warm_up: Annotated[
        WarmUp | None,
        Field(
            description="Requests that each pod has to answer before the candidate is judged. Default: as the runtime says, or none."
        ),
    ] = None
    schemas: SchemasSpec | None = None
    delivery: DeliverySpec | None = None
    verification: VerificationSpec | None = None
    adapters: Annotated[
        list[AdapterSpec] | None,
        Field(
            min_length=1,
            max_length=MAX_ADAPTERS,
            description="Adapters on the base that model.uri names. They are in /mnt/adapters, each in a folder of its name, and the runtime says how the server takes them.",
        ),
        list_map("name"),
    ] = None
    pod: PodSettings | None = None
    feature_pipeline: FeaturePipeline | None = None
    lineage: Lineage | None = None
