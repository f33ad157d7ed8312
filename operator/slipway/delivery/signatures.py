"""Who vouches for a model: OpenSSF model signatures, and in-toto attestations of SLSA provenance.

A signature is a file among those of the model, over all others. What `model-signing` leaves aside by itself, git's own
files at the top, is not allowed beside a signature where it is a folder: nobody has vouched for what is in it.
"""

from __future__ import annotations

import base64
import binascii
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from slipway.delivery.digest import file_digest, regular_files, tree_digest
from slipway.delivery.errors import AttestationError, SignatureError, Unreachable, UntrustedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

_NAMES_OF_GIT: Final = (".git", ".github", ".gitattributes", ".gitignore")
_PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_STATEMENTS: Final = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_PROVENANCE: Final = "https://slsa.dev/provenance/v1"
LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a signature or an attestation: one of a hundred thousand files fits."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody who may have signed: a public key in PEM, or an identity with who vouches for it."""

    key: bytes | None = None
    identity: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that a model has to have: by any one of the signers."""

    path: str
    signers: Sequence[Signer]


@dataclass(frozen=True, slots=True)
class Attestation:
    """An attestation that a model has to have, signed by any one of the keys; of any builder where none is named."""

    path: str
    keys: Sequence[bytes]
    builders: Sequence[str] = ()


# --- signatures -----------------------------------------------------------------------------------------------------


def check_signature(model: Path, wanted: Signature) -> None:
    """Raises SignatureError unless the files are those that one of the signers signed, and Unreachable where what an
    identity is held against cannot be had."""
    signature = _file(model, wanted.path, SignatureError)
    for name in _NAMES_OF_GIT:
        if (model / name).is_dir():
            raise SignatureError(f"signatures do not cover {name}: leave that folder out of the model")
    problems: list[str] = []
    for signer in wanted.signers:
        try:
            _signed_by(model, signature, signer)
        except SignatureError as error:
            problems.append(error.problem)
        else:
            return
    raise SignatureError("; ".join(dict.fromkeys(problems)) or "nobody is named who may have signed it")


def _signed_by(model: Path, signature: Path, signer: Signer) -> None:
    try:
        hashing: Any = import_module("model_signing.hashing")
        verifying: Any = import_module("model_signing.verifying")
    except ModuleNotFoundError as error:
        raise UntrustedError(f"signatures take the extra slipway[signing] ({error.name} is missing)") from None
    config = _trusting(verifying.Config(), signer)
    beside = hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=True)
    problems = []
    # Who signs into the model's own folder leaves the signature aside by name; who signed elsewhere could not.
    for how in (None, beside):
        try:
            (config.set_hashing_config(how) if how is not None else config).verify(model, signature)
        except Exception as error:  # noqa: BLE001 - the library raises whatever its parts raise
            problems.append(_said(error))
        else:
            return
    raise SignatureError(f"it does not hold ({problems[0]}): sign these files, or name who signed them")


def _trusting(config: Any, signer: Signer) -> Any:
    """The library's settings for a signer."""
    if signer.key is None:
        try:
            return config.use_sigstore_verifier(identity=signer.identity, oidc_issuer=signer.provider)
        except Exception as error:  # noqa: BLE001 - of the mirror of Sigstore's roots, which is fetched
            said = type(error).__name__
            raise Unreachable(f"the roots of Sigstore cannot be had ({said}): allow egress to them") from None
    with tempfile.TemporaryDirectory(prefix="slipway-key-") as folder:
        path = Path(folder) / "key.pem"
        path.write_bytes(signer.key)
        try:
            return config.use_elliptic_key_verifier(public_key=path)
        except Exception as error:  # noqa: BLE001 - the library's errors are many
            raise SignatureError(
                f"the public key cannot be used ({_said(error)}): write one of P-256, P-384 or P-521 in PEM"
            ) from None


# --- attestations ---------------------------------------------------------------------------------------------------


def check_attestation(model: Path, wanted: Attestation, aside: Sequence[str], unread: str = "") -> None:
    """Raises AttestationError unless one of the keys signed a statement of SLSA provenance over the files.

    Its subjects are the files by path and sha256, each of them; or one has the digest of the tree. What is `aside`, the
    signature and the attestation themselves, does not count; nor does the folder `unread` at the top. A file that is a
    subject counts whatever it is called: a release may call any file its attestation, and JSON may be two things.
    """
    path = _file(model, wanted.path, AttestationError)
    payload = _opened(path, wanted.keys)
    statement = _object(payload, "its payload")
    if statement.get("_type") not in _STATEMENTS or statement.get("predicateType") != _PROVENANCE:
        raise AttestationError(f"it is no in-toto statement of {_PROVENANCE}")
    _check_builder(statement, wanted.builders)
    subjects = statement.get("subject")
    subjects = [one for one in subjects if isinstance(one, Mapping)] if isinstance(subjects, list) else []
    sums = {str(one.get("name")): str(_in(one, "digest", "sha256")) for one in subjects}
    unsaid = {*aside, wanted.path} - sums.keys()
    files = {name: file_digest(found) for name, found in regular_files(model, unread) if name not in unsaid}
    if tree_digest(files).removeprefix("sha256:") in sums.values():
        return
    other = [name for name, found in files.items() if sums.get(name) != found]
    if other:
        raise AttestationError(
            f"its subjects are not the files of the model: {len(other)} of {len(files)} are others, such as "
            f"{min(other)[:120]!a}"
        )


def _check_builder(statement: Mapping[str, Any], builders: Sequence[str]) -> None:
    builder = str(_in(statement, "predicate", "runDetails", "builder", "id"))
    if builders and builder not in builders:
        raise AttestationError(f"its builder {builder[:200]!a} is none of {', '.join(builders)}")


def _opened(path: Path, keys: Sequence[bytes]) -> bytes:
    """The payload of a DSSE envelope that one of the keys signed."""
    envelope = _object(path.read_bytes(), "it")
    if envelope.get("payloadType") != _PAYLOAD_TYPE:
        raise AttestationError(f"it is no DSSE envelope of the type {_PAYLOAD_TYPE}")
    try:
        payload = base64.b64decode(str(envelope.get("payload")), validate=True)
        signatures = [base64.b64decode(str(one["sig"]), validate=True) for one in envelope.get("signatures") or []]
    except (binascii.Error, ValueError, TypeError, KeyError):
        raise AttestationError("its payload or its signatures are no base64") from None
    message = b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload), payload)
    if not any(_made(_public_key(key), signature, message) for key in keys for signature in signatures):
        raise AttestationError("none of its signatures is by a key that is trusted")
    return payload


def _public_key(pem: bytes) -> PublicKeyTypes:
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ModuleNotFoundError as error:
        raise UntrustedError(f"attestations take the extra slipway[signing] ({error.name} is missing)") from None
    try:
        return load_pem_public_key(pem)
    except Exception as error:  # noqa: BLE001 - the library's errors are many
        raise AttestationError(f"the public key cannot be used ({type(error).__name__}): write it in PEM") from None


def _made(key: PublicKeyTypes, signature: bytes, message: bytes) -> bool:
    """Whether a signature is the key's. Curves are used with the hash of their size."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            sizes: dict[int, hashes.HashAlgorithm] = {384: hashes.SHA384(), 521: hashes.SHA512()}
            key.verify(signature, message, ec.ECDSA(sizes.get(key.curve.key_size, hashes.SHA256())))
        else:
            raise AttestationError("the public key cannot be used: write one of Ed25519, P-256, P-384 or P-521")
    except InvalidSignature:
        return False
    return True


# --- both -----------------------------------------------------------------------------------------------------------


def _file(model: Path, path: str, error: type[SignatureError] | type[AttestationError]) -> Path:
    found = model / path
    if not found.is_file():
        raise error(f"the model has no file {path}: put it there, or name another path")
    if found.stat().st_size > LARGEST:
        raise error(f"{path} has more than {LARGEST} bytes")
    return found


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AttestationError(f"{what} is no JSON object")
    return found


def _in(document: object, *names: str) -> object:
    """What is below these names; None where something on the way is no object."""
    for name in names:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _said(error: Exception) -> str:
    words = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
