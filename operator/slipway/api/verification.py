"""``spec.release.verification`` and the policy of a namespace: who has to vouch for a model before it serves."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from slipway.api.common import ConfigMapKey, ObjectName, SpecModel, Text1024, validations

POLICY_CONFIG_MAP: Final = "slipway-policy"
"""Holds what every release of its namespace has to show."""

POLICY_KEY: Final = "policy.yaml"

SIGNATURE_FILE: Final = "model.sig"
ATTESTATION_FILE: Final = "provenance.intoto.json"
"""Where they are among the files of the model, where nobody names another place."""

Requirement = Literal["digest", "signature", "attestation"]

RelativePath = Annotated[
    str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$")
]
"""A file among those of the model."""


class NamedKey(SpecModel):
    """A key of a ConfigMap or of a Secret in the ModelDeployment's namespace."""

    name: Annotated[ObjectName, Field(description="Name of the object.")]
    key: Annotated[ConfigMapKey, Field(description="Key in it.")]


class PublicKeySource(SpecModel):
    """Where a public key is, in PEM."""

    model_config = validations(
        (
            "[has(self.configMapKeyRef), has(self.secretKeyRef)].filter(x, x).size() == 1",
            "publicKey takes exactly one of configMapKeyRef and secretKeyRef",
        )
    )

    config_map_key_ref: NamedKey | None = None
    secret_key_ref: NamedKey | None = None


class SignatureSpec(SpecModel):
    """The model's OpenSSF signature, which model-signing makes, over all of its files."""

    model_config = validations(
        (
            "[has(self.publicKey), has(self.identity)].filter(x, x).size() == 1",
            "a signature is by a key or by an identity: name exactly one of publicKey and identity",
        ),
        (
            "has(self.identity) == has(self.identityProvider)",
            "identity and identityProvider belong together: name both, or publicKey",
        ),
    )

    public_key: PublicKeySource | None = None
    identity: Annotated[
        Text1024 | None, Field(description="Who signed without a key: a mail address, or the URI of a workflow.")
    ] = None
    identity_provider: Annotated[
        Text1024 | None, Field(description="Who vouches for the identity: the address of an OpenID Connect provider.")
    ] = None
    path: Annotated[
        RelativePath | None,
        Field(description="The signature's file among those of the model. Default: model.sig."),
    ] = None


class AttestationSpec(SpecModel):
    """The model's provenance: an in-toto statement of SLSA Provenance v1 in a DSSE envelope, signed by a key."""

    public_key: PublicKeySource
    builders: Annotated[
        list[Text1024] | None,
        Field(
            min_length=1,
            max_length=8,
            description="Builders that may have made the model, by their ids. Default: any whose statement the key signed.",
        ),
    ] = None
    path: Annotated[
        RelativePath | None,
        Field(description="The envelope's file among those of the model. Default: provenance.intoto.json."),
    ] = None


class VerificationSpec(SpecModel):
    """What has to hold of the model before a pod of the release exists."""

    model_config = validations(
        (
            "has(self.signature) || has(self.attestation)",
            "there is nothing to verify: name signature or attestation, or leave verification out",
        )
    )

    signature: SignatureSpec | None = None
    attestation: AttestationSpec | None = None


class TrustedIdentity(SpecModel):
    """Somebody who signs without a key."""

    identity: Text1024
    identity_provider: Text1024


class Trusted(SpecModel):
    """Who may vouch for a model: any one of them."""

    keys: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=8192)], ...], Field(max_length=8)] = ()
    """Public keys in PEM."""
    identities: Annotated[tuple[TrustedIdentity, ...], Field(max_length=8)] = ()
    builders: Annotated[tuple[Text1024, ...], Field(max_length=8)] = ()


class PolicySpec(SpecModel):
    """What every release of a namespace has to show, as ``slipway-policy`` says it."""

    require: Annotated[tuple[Requirement, ...], Field(max_length=3)] = ()
    trusted: Trusted = Trusted()


VERIFICATION_RULES: Final = (
    (
        "!has(self.verification) || has(self.delivery) || has(self.runtime) || has(self.model.format)",
        "what is verified has to be delivered: add delivery, or leave verification out",
    ),
)
"""Rules of a release about its verification, as pairs of rule and message."""
