"""``spec.release.from``: the registry that a release's model comes from, and what is known of it.

An alias, a revision, a tag and a folder of versions move; a release does not. So what the registry names is resolved to
a version with a fixed address, and only that is declared, hashed and recorded. ``from`` itself is no part of a release.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from slipway.api.common import (
    Digest,
    Duration,
    Hash,
    Message,
    ObjectName,
    Reason,
    SpecModel,
    StatusModel,
    Text64,
    Text256,
    Text1024,
    Timestamp,
    Uri,
    validations,
)

MAX_WRITE_BACKS: Final = 8
"""Verdicts that are remembered as written; beyond it, the oldest ones are forgotten."""

_NAME: Final = r"^[^/@:\s][^/@:]*$"
_KEY: Final = r"^[-_./a-zA-Z0-9]+$"

SERVER_URI: Final = r"^https?://[^\s@?#]+$"
"""What the address of a server looks like."""

ServerUri = Annotated[str, Field(min_length=8, max_length=1024, pattern=SERVER_URI)]
"""The address of a server: no credentials, no query."""


class Policy(StrEnum):
    """What happens when the registry names another version."""

    AUTOMATIC = "Automatic"
    SUGGEST = "Suggest"


class MLflowAlias(SpecModel):
    """A registered model of an MLflow server, and the alias that says which of its versions is meant."""

    uri: Annotated[
        ServerUri | None,
        Field(
            description="Tracking server, such as http://mlflow.shop.svc:5000. Default: MLFLOW_TRACKING_URI of the Secret of credentials, or else the operator's --mlflow-tracking-uri."
        ),
    ] = None
    model: Annotated[
        str, Field(min_length=1, max_length=256, pattern=_NAME, description="Name of the registered model.")
    ]
    alias: Annotated[
        str, Field(min_length=1, max_length=255, pattern=_NAME, description="Alias to follow, such as production.")
    ]


class HuggingFaceRevision(SpecModel):
    """A repository of the Hugging Face Hub, and the branch or tag to follow."""

    repository: Annotated[
        str,
        Field(
            min_length=3,
            max_length=200,
            pattern=r"^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*/[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$",
            description="Owner and name of the repository, such as acme/fraud.",
        ),
    ]
    revision: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            pattern=r"^[A-Za-z0-9_]([-./A-Za-z0-9_]*[A-Za-z0-9_])?$",
            description="Branch or tag to follow, such as main.",
        ),
    ]


class OciTag(SpecModel):
    """A repository of an OCI registry, and the tag to follow."""

    repository: Annotated[
        str,
        Field(
            min_length=3,
            max_length=512,
            pattern=r"^[a-zA-Z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$",
            description="Host and name of the repository, such as registry.example.com/models/fraud.",
        ),
    ]
    tag: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern=r"^[a-zA-Z0-9_][-.a-zA-Z0-9_]*$",
            description="Tag to follow, such as production.",
        ),
    ]


class S3Versions(SpecModel):
    """A prefix in a bucket, each folder of which is a version. The highest one is meant."""

    prefix: Annotated[
        str,
        Field(
            min_length=6,
            max_length=1024,
            pattern=r"^s3://[a-z0-9][-.a-z0-9]*[a-z0-9](/[^\s/?#]+)*/?$",
            description="Where the versions are, such as s3://models/fraud: the folders 1, 2 and 10 below it, or 2026-11-02.",
        ),
    ]


class RegistryCredentials(SpecModel):
    """A Secret in the ModelDeployment's namespace that says who asks."""

    secret_name: Annotated[
        ObjectName,
        Field(
            description="Name of the Secret. It holds, under these names: for MLflow MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; for Hugging Face HF_TOKEN; for OCI .dockerconfigjson; for S3 AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, of another store than Amazon's, AWS_ENDPOINT_URL."
        ),
    ]


class WriteBack(SpecModel):
    """What the registry is told of verdicts, each once."""

    model_config = validations(("has(self.alias) || has(self.tag)", "name alias, tag or both: what is to be written?"))

    alias: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=255,
            pattern=_NAME,
            description="Alias that is moved to the version that became stable, by a promotion or by a rollback after it, such as champion.",
        ),
    ] = None
    tag: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=250,
            pattern=_KEY,
            description="Key of a tag that each version gets when its rollout ends: Promoted, or RolledBack with the reason.",
        ),
    ] = None


class RegistrySpec(SpecModel):
    """Where the model's version comes from."""

    model_config = validations(
        (
            "[has(self.mlflow), has(self.huggingFace), has(self.oci), has(self.s3)].filter(x, x).size() == 1",
            "name exactly one of mlflow, huggingFace, oci and s3",
        ),
        (
            "!has(self.interval) || (duration(self.interval) >= duration('30s') && duration(self.interval) <= duration('24h'))",
            "interval is between 30s and 24h",
        ),
        ("!has(self.writeBack) || has(self.mlflow)", "writeBack is for mlflow: no other registry is written to"),
        (
            "!has(self.writeBack) || !has(self.writeBack.alias) || !has(self.mlflow) || self.writeBack.alias != self.mlflow.alias",
            "writeBack.alias is the alias that is followed: name another one, such as champion",
        ),
    )

    mlflow: MLflowAlias | None = None
    hugging_face: HuggingFaceRevision | None = None
    oci: OciTag | None = None
    s3: S3Versions | None = None
    policy: Annotated[
        Policy,
        Field(
            description="Suggest: the declared model serves, and status.suggestion tells what to declare. Automatic: what the registry names is rolled out. Default: Suggest."
        ),
    ] = Policy.SUGGEST
    interval: Annotated[
        Duration, Field(description="How often the registry is asked, from 30s to 24h. Default: 5m.")
    ] = timedelta(minutes=5)
    credentials: RegistryCredentials | None = None
    write_back: WriteBack | None = None


class ResolvedModel(StatusModel):
    """What a registry names, with an address that stays."""

    version: Annotated[Text64, Field(description="Version, for spec.release.model.version.")]
    uri: Annotated[Uri | None, Field(description="Address, for spec.release.model.uri.")] = None
    digest: Annotated[Digest | None, Field(description="Digest, for spec.release.model.digest, where it is known.")] = (
        None
    )


class ResolvedRelease(StatusModel):
    """The part of a release that comes from a registry."""

    model: ResolvedModel


class Suggestion(StatusModel):
    """A release that is offered to be declared."""

    release: ResolvedRelease
    seen: Annotated[Timestamp, Field(description="When the registry was first seen to name it.")]
    source: Annotated[Text1024, Field(description="What was asked.")]
    message: Annotated[Message, Field(description="What to do, in one sentence.")]


class Resolved(StatusModel):
    """What is declared where the policy is Automatic. It stays what it is while the registry does not answer."""

    release: ResolvedRelease
    hash: Annotated[Hash, Field(description="Hash of the whole release that it makes.")]
    seen: Annotated[Timestamp, Field(description="When the registry was first seen to name it.")]
    source: Annotated[Text1024, Field(description="What was asked.")]


class RegistryProblem(StatusModel):
    """Why the registry names nothing that can be declared."""

    reason: Annotated[Reason, Field(description="Why, in one word.")]
    message: Annotated[Message, Field(description="Why, with the field and what to do.")]
    since: Annotated[Timestamp, Field(description="Since when.")]


class WrittenBack(StatusModel):
    """A verdict that the registry is told of."""

    id: Annotated[Text256, Field(description="The decision: what is written, the release and its attempt.")]
    what: Annotated[Literal["Alias", "Tag"], Field(description="Alias or Tag.")]
    version: Annotated[Text64, Field(description="The version that it is about.")]
    value: Annotated[Text256, Field(description="The alias, or the value of the tag.")]
    state: Annotated[Text64, Field(description="Writing, Written or Failed.")]
    message: Annotated[Message | None, Field(description="Why it failed.")] = None
    time: Annotated[Timestamp, Field(description="When it was decided.")]


class RegistryStatus(StatusModel):
    """What is known of the registry beside what it names."""

    problem: RegistryProblem | None = None
    written_back: Annotated[
        list[WrittenBack] | None,
        Field(max_length=MAX_WRITE_BACKS, description="What the registry was told of verdicts, the latest last."),
    ] = None
