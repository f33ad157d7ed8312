"""``spec.release.delivery``: that the model's files are brought into the pod before its server starts."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from slipway.api.common import Digest, ObjectName, SpecModel, StatusModel, Text64, Timestamp, Uri, validations
from slipway.api.container import Resources

DEFAULT_MODEL_PATH: Final = "/mnt/models"
"""Where the model's files are delivered to, and what ``{{model.path}}`` says, where nobody names another path."""

ModelPath = Annotated[str, Field(min_length=2, max_length=512, pattern=r"^/[^\s:]+$")]
"""A folder in the container: absolute, and a colon is not to be in it."""

Size = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[1-9][0-9]{0,14}(Ki|Mi|Gi|Ti|[kMGT])?$")]
"""A number of bytes, such as ``500Mi`` or ``20Gi``."""


class DeliveryCredentials(SpecModel):
    """What the model is fetched with. Only what fetches it gets to see it, not the container that serves."""

    secret_name: Annotated[
        ObjectName,
        Field(
            description="Secret of the same namespace. Its keys are environment variables of what fetches the model, such as AWS_ACCESS_KEY_ID or HF_TOKEN, and files in /var/run/slipway/credentials, which variables may name."
        ),
    ]


class DeliveryCache(SpecModel):
    """Files that pods share, so that a model is fetched once."""

    claim_name: Annotated[
        ObjectName,
        Field(description="PersistentVolumeClaim of the same namespace that all pods of the release may write to."),
    ]
    max_size: Annotated[
        Size | None,
        Field(description="What it may hold; what was not used for longest goes first. Default: it grows."),
    ] = None


class DeliverySpec(SpecModel):
    """An init container of the operator's image fetches what model.uri names, into a volume that the container reads.

    What was found when the release was verified is what every pod gets: other bytes keep a pod from starting.
    """

    model_config = validations(
        (
            "!has(self.imageVolume) || !self.imageVolume || !(has(self.credentials) || has(self.cache) || has(self.extract))",
            "the kubelet pulls what imageVolume mounts: leave credentials, cache and extract out, and name Secrets in pod.imagePullSecrets",
        )
    )

    path: Annotated[
        ModelPath | None,
        Field(
            description="Folder of the container in which the files are, read-only. The container is told by SLIPWAY_MODEL_PATH. Default: that of the runtime, or /mnt/models."
        ),
    ] = None
    credentials: DeliveryCredentials | None = None
    max_size: Annotated[
        Size | None, Field(description="Most bytes of all files, unpacked. Default: what the node has room for.")
    ] = None
    extract: Annotated[
        bool | None,
        Field(description="Whether model.uri names one archive, and its entries are wanted. Default: false."),
    ] = None
    cache: DeliveryCache | None = None
    image_volume: Annotated[
        bool | None,
        Field(
            description="Whether the kubelet mounts the OCI image or artifact that model.uri names by its digest, in the place of a fetch. Needs volumes of type image (on by default from Kubernetes 1.35). Default: false."
        ),
    ] = None
    resources: Annotated[
        Resources | None, Field(description="What may be used to fetch it. Default: what the namespace gives.")
    ] = None


_URI: Final = "!has(self.delivery) || !has(self.model.uri) || "

DELIVERY_RULES: Final = (
    (
        "!has(self.delivery) || has(self.model.uri) || has(self.from)",
        "there is nothing to deliver: name it in model.uri, or leave delivery out",
    ),
    (
        _URI + "self.model.uri.matches('^((s3|gs|az|hf|http|https|oci|pvc|file)://|mlflow:)')",
        "model.uri cannot be delivered: begin it with s3://, gs://, az://, hf://, https://, oci://, pvc://, file:// or mlflow:",
    ),
    (
        _URI + "!self.model.uri.matches('^(s3|gs|az|http|https|oci|pvc|file)://[^/]*@')",
        "model.uri holds a user or a password: leave them out, and name a Secret in delivery.credentials.secretName",
    ),
    (
        _URI
        + "!self.model.uri.matches('(?i)[?&](x-(amz|goog|ms)-|sig=|signature=|[^=&]*(token|secret|passw|credential|api[-_]?key)[^=&]*=)')",
        "the query of model.uri holds a token or a signature: leave it out, and name a Secret in delivery.credentials.secretName",
    ),
    (
        "!has(self.delivery) || !has(self.delivery.imageVolume) || !self.delivery.imageVolume || !has(self.model.uri) || self.model.uri.matches('^oci://[^@]+@sha256:[a-f0-9]{64}$')",
        "delivery.imageVolume mounts what nobody can change: write model.uri as oci://registry/repository@sha256:<digest>",
    ),
    (
        "!has(self.delivery) || !has(self.model.digest) || self.model.digest.startsWith('sha256:')",
        "model.digest of what is delivered is a sha256 of its files: write what slipway fetch prints",
    ),
)
"""Rules of a release about its delivery, as pairs of rule and message."""


class ArtifactStatus(StatusModel):
    """What the release's URI held when it was verified: what every pod of it gets. Never changes."""

    uri: Annotated[Uri, Field(description="Where it was fetched from.")]
    digest: Annotated[Digest, Field(description="Digest of its files.")]
    bytes: Annotated[int, Field(ge=0, description="Bytes of its files.")]
    files: Annotated[int, Field(ge=0, description="How many files it has.")]
    verified: Annotated[
        list[Text64] | None,
        Field(
            max_length=8,
            description="What held: digest, signature and attestation, of those that were asked for.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None
    time: Annotated[Timestamp, Field(description="When it was verified.")]
