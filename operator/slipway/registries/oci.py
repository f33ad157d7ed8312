"""OCI registries: the manifest that a tag names, by the distribution specification."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, Literal
from urllib.parse import urlencode, urlsplit

from slipway.api import OciTag, ResolvedModel
from slipway.delivery import DOCKERCONFIGJSON, answering, is_loopback, login_of
from slipway.outside import Fetched
from slipway.registries.asking import MALFORMED, MISSING, REFUSED, Asker, RegistryError, basic, document_of

_FIELD: Final = "spec.release.from.oci"
_ACCEPT: Final = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_PART: Final = re.compile(r'(\w+)="([^"]*)"')


async def manifest_of(asker: Asker, spec: OciTag, known: ResolvedModel | None = None) -> ResolvedModel:
    """The manifest by its digest, which is computed here from what came. Raises RegistryError.

    `known` is what was found before: where the registry says that it is still that, nothing is fetched, because some
    count who fetches a manifest. Docker Hub has it for a pull, of which it gives 100 in six hours to who is not known.
    """
    if known is not None:
        now = await _asked(asker, spec, "HEAD")
        if now.ok and known.uri == f"oci://{spec.repository}@{now.version}":
            return known
    answer = await _asked(asker, spec, "GET")
    if answer.status == 404:
        raise RegistryError(
            MISSING, f"{_FIELD}.tag: the registry has no {spec.repository}:{spec.tag}: check both names"
        )
    if not answer.ok:
        raise RegistryError(MALFORMED, f"{_FIELD}.repository: the registry answered HTTP {answer.status}")
    if "schemaVersion" not in document_of(answer, f"{_FIELD}.repository", f"https://{spec.repository}"):
        raise RegistryError(MALFORMED, f"{_FIELD}.repository: the answer is no manifest: is this an OCI registry?")
    digest = sha256(answer.body).hexdigest()
    version = f"{spec.tag[:51]}-{digest[:12]}"
    return ResolvedModel(version=version, uri=f"oci://{spec.repository}@sha256:{digest}")


async def _asked(asker: Asker, spec: OciTag, method: Literal["GET", "HEAD"]) -> Fetched:
    """What the registry answers about the manifest of the tag, to who has proved who asks where that is wanted."""
    host, _, name = spec.repository.partition("/")
    scheme = "http" if is_loopback(host) else "https"  # as container engines do
    url = f"{scheme}://{answering(host)}/v2/{name}/manifests/{spec.tag}"
    about, headers = f"{_FIELD}.repository", {"accept": _ACCEPT}
    answer = await asker.ask(url, about, headers=headers, method=method, challenged=True)
    if answer.status == 401:
        headers["authorization"] = await _proof(asker, host, scheme, answer)
        answer = await asker.ask(url, about, headers=headers, method=method)
    return answer


async def _proof(asker: Asker, host: str, scheme: str, refused: Fetched) -> str:
    """The header that the registry's challenge asks for."""
    kind, _, rest = refused.challenge.partition(" ")
    login = _login(asker, host)
    if kind.lower() == "basic" and login is not None:
        return login
    parts = dict(_PART.findall(rest))
    realm = parts.get("realm", "")
    if kind.lower() != "bearer" or not realm:
        raise RegistryError(
            REFUSED,
            f"spec.release.from.credentials: {host} asks who you are: name a Secret with {DOCKERCONFIGJSON} for this "
            "host",
        )
    if urlsplit(realm).scheme != "https" and scheme == "https":
        raise RegistryError(REFUSED, f"{_FIELD}.repository: {host} wants credentials sent over http, which is not done")
    query = urlencode({name: parts[name] for name in ("service", "scope") if name in parts})
    joint = "&" if urlsplit(realm).query else "?"
    answer = await asker.ask(
        f"{realm}{joint}{query}", f"{_FIELD}.repository", headers={"authorization": login} if login else {}
    )
    found = document_of(answer, f"{_FIELD}.repository", realm)
    token = found.get("token") or found.get("access_token")
    if not answer.ok or not isinstance(token, str) or not re.fullmatch(r"[!-~]{1,16384}", token):
        raise RegistryError(
            REFUSED, f"spec.release.from.credentials: no token could be had for {host}: check its {DOCKERCONFIGJSON}"
        )
    return f"Bearer {token}"


def _login(asker: Asker, host: str) -> str | None:
    """Who asks, by the Secret."""
    if DOCKERCONFIGJSON not in asker.secret:
        return None
    try:
        found = login_of(asker.secret[DOCKERCONFIGJSON], host)
    except ValueError:
        raise RegistryError(
            REFUSED,
            f"spec.release.from.credentials: its {DOCKERCONFIGJSON} cannot be read: write it as docker login does",
        ) from None
    return basic(*found) if found is not None else None
