"""Keys, signatures and attestations, made on the spot."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from model_signing import hashing, signing

from slipway.delivery.digest import file_digest, regular_files

PROVENANCE = "https://slsa.dev/provenance/v1"
BUILDER = "https://ci.example/train"

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def a_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def public(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(model: Path, key: ec.EllipticCurvePrivateKey, scratch: Path, *, path: str = "model.sig") -> None:
    """As `model_signing sign key` does into the model's own folder."""
    private = scratch / "private.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    config = signing.Config().use_elliptic_key_signer(private_key=private)
    ignored = hashing.Config().set_ignored_paths(paths=[model / path])
    config.set_hashing_config(ignored).sign(model, model / path)


def subjects_of(model: Path) -> list[dict[str, Any]]:
    return [{"name": name, "digest": {"sha256": file_digest(path)}} for name, path in regular_files(model)]


def attest(
    model: Path,
    key: Key,
    *,
    subjects: list[dict[str, Any]] | None = None,
    path: str = "provenance.intoto.json",
    builder: str = BUILDER,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """SLSA provenance of the files that are there, in an envelope beside them."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": PROVENANCE,
        "subject": subjects if subjects is not None else subjects_of(model),
        "predicate": {"runDetails": {"builder": {"id": builder}}},
        **(changes or {}),
    }
    payload, kind = json.dumps(statement).encode(), "application/vnd.in-toto+json"
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    if isinstance(key, ed25519.Ed25519PrivateKey):
        signature = key.sign(message)
    else:
        algorithm = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
        signature = key.sign(message, ec.ECDSA(algorithm))
    envelope = {
        "payloadType": kind,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
    }
    (model / path).write_text(json.dumps(envelope))
