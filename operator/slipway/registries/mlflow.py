"""MLflow's registry, by its REST API (version 2.0): aliases are read, and written where that is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from slipway.api import MLflowAlias, ResolvedModel
from slipway.delivery import AddressError, address
from slipway.outside import Fetched
from slipway.registries.asking import MALFORMED, MISSING, REFUSED, Asker, RegistryError, basic, document_of, text_in

SERVER: Final = "MLFLOW_TRACKING_URI"
"""The key of a Secret that names the server."""
TOKEN: Final = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 - the key of a Secret, not a token
USER: Final = "MLFLOW_TRACKING_USERNAME"
PASSWORD: Final = "MLFLOW_TRACKING_PASSWORD"  # noqa: S105 - the key of a Secret, not a password

DIGEST_TAG: Final = "slipway.dev/digest"
"""A tag of a version that holds the digest of its files, where whoever registered it wrote one."""

_FIELD: Final = "spec.release.from.mlflow"
_DIGEST: Final = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
_VERSION: Final = re.compile(r"[0-9]{1,18}")
_PORTABLE: Final = frozenset({"s3", "gs", "az", "hf", "https", "oci"})
"""Schemes of addresses that mean the same wherever they are read; others are asked for by model and version."""


def tracking_server(spec: MLflowAlias, asker: Asker, default: str | None) -> str:
    """The server's address without a slash at its end. Raises RegistryError where none is named."""
    server = spec.uri or asker.secret.get(SERVER, "").strip() or default
    if not server:
        raise RegistryError(
            REFUSED,
            f"{_FIELD}.uri: no server is named: write its address there, as {SERVER} into the Secret of credentials, "
            "or start the operator with --mlflow-tracking-uri",
        )
    return server.rstrip("/")


async def version_of(asker: Asker, server: str, spec: MLflowAlias, known: ResolvedModel | None) -> ResolvedModel:
    """The version that an alias names. `known` is what was found before: of the same version nothing more is asked."""
    found = await _get(asker, server, "registered-models/alias", {"name": spec.model, "alias": spec.alias}, spec)
    about = found.get("model_version")
    if not isinstance(about, dict):
        raise RegistryError(MALFORMED, f"{_FIELD}.alias: the answer has no model_version: is the address MLflow's?")
    version = text_in(about, "version", f"{_FIELD}.alias", longest=18)
    if not _VERSION.fullmatch(version):
        raise RegistryError(MALFORMED, f"{_FIELD}.alias: the server names the version {version!r}, which is no number")
    if about.get("status", "READY") != "READY":
        raise RegistryError(
            MISSING,
            f"{_FIELD}.alias: version {version} is not ready in the registry ({about['status']!s:.40}): register it "
            "anew, or wait",
        )
    if known is not None and known.version == version:
        return known.model_copy(update={"digest": _digest(about)})
    located = await _get(
        asker, server, "model-versions/get-download-uri", {"name": spec.model, "version": version}, spec
    )
    where = text_in(located, "artifact_uri", f"{_FIELD}.model", longest=2048)
    return ResolvedModel(version=version, uri=_address(where, spec.model, version), digest=_digest(about))


def _address(where: str, model: str, version: str) -> str:
    """Where the version is: in the store, if that can be fetched from as it is, or else by its number."""
    try:
        if address(where).scheme in _PORTABLE:
            return where
    except AddressError:
        pass  # such as mlflow-artifacts:, which only the server knows how to read, or wasbs:, with an account in it
    return f"mlflow:models:/{quote(model)}/{version}"


def _digest(about: Mapping[str, Any]) -> str | None:
    value = dict(_tags(about)).get(DIGEST_TAG, "").strip()
    return value if _DIGEST.fullmatch(value) else None


def _tags(about: object) -> list[tuple[str, str]]:
    tags = about.get("tags") if isinstance(about, dict) else None
    found = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return [(str(tag.get("key", "")), str(tag.get("value", ""))) for tag in found]


async def set_alias(asker: Asker, server: str, model: str, alias: str, version: str) -> None:
    """Let an alias name a version; it is not written where it does already. Raises RegistryError."""
    field = "spec.release.from.writeBack.alias"
    query = urlencode({"name": model, "alias": alias})
    url = f"{server}/api/2.0/mlflow/registered-models/alias"
    now = await asker.ask(f"{url}?{query}", field, headers=_who(asker))
    if now.status == 200:
        about = document_of(now, field, server).get("model_version")
        if isinstance(about, dict) and about.get("version") == version:
            return
    wanted = {"name": model, "alias": alias, "version": version}
    _done(await asker.ask(url, field, headers=_who(asker), document=wanted), field, model, version)


async def set_tag(asker: Asker, server: str, model: str, version: str, tag: tuple[str, str]) -> None:
    """Write a tag of a version, a key and a value; it is not written where it is there. Raises RegistryError."""
    field = "spec.release.from.writeBack.tag"
    query = urlencode({"name": model, "version": version})
    now = await asker.ask(f"{server}/api/2.0/mlflow/model-versions/get?{query}", field, headers=_who(asker))
    if now.ok and tag in _tags(document_of(now, field, server).get("model_version")):
        return
    wanted = {"name": model, "version": version, "key": tag[0], "value": tag[1]}
    url = f"{server}/api/2.0/mlflow/model-versions/set-tag"
    _done(await asker.ask(url, field, headers=_who(asker), document=wanted), field, model, version)


def _done(answer: Fetched, field: str, model: str, version: str) -> None:
    if answer.status == 404:
        raise RegistryError(
            MISSING,
            f"{field}: the server has no version {version} of {model}: spec.release.model.version has to be the "
            "registry's number",
        )
    if not answer.ok:
        raise RegistryError(MALFORMED, f"{field}: the server answered HTTP {answer.status}{_said(answer)}")


async def _get(asker: Asker, server: str, what: str, wanted: Mapping[str, str], spec: MLflowAlias) -> Mapping[str, Any]:
    url = f"{server}/api/2.0/mlflow/{what}?{urlencode(wanted)}"
    answer = await asker.ask(url, f"{_FIELD}.uri", headers=_who(asker))
    if answer.ok:
        return document_of(answer, f"{_FIELD}.uri", url)
    code = _code(answer)
    if code is None:
        raise RegistryError(
            MALFORMED, f"{_FIELD}.uri: the server answered HTTP {answer.status} as no MLflow does: check the address"
        )
    if code == "INVALID_PARAMETER_VALUE" and "version" not in wanted:  # what MLflow 2 and 3 say of a missing alias
        raise RegistryError(
            MISSING, f"{_FIELD}.alias: model {spec.model} has no alias {spec.alias}: set it, or name another one"
        )
    if code == "RESOURCE_DOES_NOT_EXIST":
        raise RegistryError(
            MISSING,
            f"{_FIELD}.model: the server has no model {spec.model}, or no alias {spec.alias} of it: check both names",
        )
    raise RegistryError(MALFORMED, f"{_FIELD}.uri: the server answered HTTP {answer.status}{_said(answer)}")


def _code(answer: Fetched) -> str | None:
    try:
        code = document_of(answer, "", "").get("error_code")
    except RegistryError:
        return None
    return code if isinstance(code, str) else None


def _said(answer: Fetched) -> str:
    code = _code(answer)
    return f" ({code:.64})" if code is not None and code.isprintable() else ""


def _who(asker: Asker) -> Mapping[str, str]:
    token, user, password = (asker.secret.get(key, "").strip() for key in (TOKEN, USER, PASSWORD))
    if token:
        return {"authorization": f"Bearer {token}"}
    return {"authorization": basic(user, password)} if user and password else {}
