"""OCI artifacts: files that were pushed into a container registry, as ``oras push`` does.

Each layer that has a title is a file; a layer that says it is a packed folder is taken apart. Layers of container
images have no titles, and those are refused: mount an image as an image volume, or push the files as an artifact.
References, credentials and tokens are the oras library's; the bytes come by `Web`.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit

from slipway.delivery import docker
from slipway.delivery.address import Address, is_loopback
from slipway.delivery.errors import AddressError, Denied, Field, Incomplete, MisconfiguredError, NotFound, Passing
from slipway.delivery.listing import Buffer, Entry, Source
from slipway.delivery.pacing import seconds_asked
from slipway.delivery.web import PASSING, SILENT_SECONDS, Web, check_trusted, parsed

_MANIFEST: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_INDEX: Final = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_TITLE: Final = "org.opencontainers.image.title"
_PACKED: Final = "io.deis.oras.content.unpack"
_REFERENCE: Final = re.compile(
    r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_HEX: Final = re.compile(r"sha256:([0-9a-f]{64})")


class RegistryFiles(Source):
    """The files of one manifest."""

    def __init__(self, where: Address) -> None:
        found = _REFERENCE.fullmatch(where.path)
        if found is None:
            raise AddressError("write it like oci://host/repository:tag or oci://host/repository@sha256:…")
        self._digest = found["digest"] or ""
        self._reference = self._digest or found["tag"] or "latest"
        scheme = "http" if is_loopback(where.host) else "https"  # as container engines do
        self._root = f"{scheme}://{docker.answering(where.host)}/v2/{found['name']}"
        self._web = Web(_authorize(where.host, f"{where.host}/{found['name']}:{self._reference}", scheme))

    def entries(self) -> Sequence[Entry]:
        """The layers that have titles."""
        try:
            body = self._web.read(f"{self._root}/manifests/{self._reference}", ", ".join((*_MANIFEST, *_INDEX)))
        except NotFound:
            raise NotFound(f"the registry has no {self._reference} of this repository: check both names") from None
        if self._digest and f"sha256:{sha256(body).hexdigest()}" != self._digest:
            raise Incomplete("the registry answered with another manifest than the digest names: check the registry")
        manifest = parsed(body)
        if not isinstance(manifest, Mapping) or "manifests" in manifest or manifest.get("mediaType") in _INDEX:
            raise AddressError("it is an index of several manifests: name one of them by its digest")
        layers = manifest.get("layers")
        titled = [layer for layer in layers or () if isinstance(layer, Mapping) and _title(layer)]
        if not titled:
            raise AddressError(
                "none of its layers is a file with a title, as in a container image: push the files with oras push, or "
                "mount the image as a volume"
            )
        return [self._entry(layer) for layer in titled]

    def _entry(self, layer: Mapping[str, Any]) -> Entry:
        digest = _HEX.fullmatch(str(layer.get("digest")))
        size = layer.get("size")
        if digest is None or not isinstance(size, int) or size < 0:
            raise NotFound("its manifest names layers without a sha256 and a size: push it again")
        packed = (layer.get("annotations") or {}).get(_PACKED) == "true"
        url = f"{self._root}/blobs/{digest[0]}"
        return Entry(_title(layer), url, size, sha256=digest[1], ranges=self._ranges(url, size), unpack=packed)

    def _ranges(self, url: str, size: int) -> bool:
        """Whether the registry sends parts of a blob, which it need not; small ones are not worth the question."""
        return size > 1024 * 1024 and self._web.look(url).parts

    def into(self, entry: Entry, begin: int, view: memoryview) -> Iterator[int]:
        """See `Source`."""
        return self._web.into(entry.key, entry, begin, view)

    def stream(self, entry: Entry) -> Iterator[Buffer]:
        """See `Source`."""
        return self._web.stream(entry.key)

    def close(self) -> None:
        """See `Source`."""
        self._web.close()


def _title(layer: Mapping[str, Any]) -> str:
    annotations = layer.get("annotations")
    return str(annotations.get(_TITLE, "")).rstrip("/") if isinstance(annotations, Mapping) else ""


def _authorize(host: str, name: str, scheme: str) -> Callable[[Mapping[str, str] | None], Mapping[str, str]]:
    """What says who asks: the token that the registry's challenge asks for, by the credentials of Docker's file."""
    try:
        import oras.container
        import oras.logger
        import oras.provider
    except ImportError:
        raise MisconfiguredError("oci:// needs the package oras: install slipway[delivery]", Field.URI) from None
    oras.logger.setup_logger(quiet=True)
    # The library would trust a list of its own, and not the authorities that everything else here trusts.
    trusted = ssl.get_default_verify_paths()
    verified_by = trusted.cafile or trusted.capath or True
    registry: Any = oras.provider.Registry(host, insecure=scheme == "http", tls_verify=verified_by)
    registry.session.request = partial(registry.session.request, timeout=SILENT_SECONDS)
    registry.session.hooks["response"].append(_check_passing)  # the library takes any other answer for a refusal
    container = oras.container.Container(name, registry=host)
    container.registry = docker.key_of(host)

    def authorize(refused: Mapping[str, str] | None) -> Mapping[str, str]:
        challenge = (refused or {}).get("www-authenticate", "")
        if not challenge:
            return {}
        realm = re.search(r'realm="([^"]+)"', challenge)
        if realm and urlsplit(realm[1]).scheme == "http" and not is_loopback(urlsplit(realm[1]).netloc):
            raise Denied("the registry wants the credentials sent over http, which is not done: use another registry")
        try:
            if (login := _login(host)) is not None:
                registry.auth.set_basic_auth(*login)
            else:
                registry.auth.load_configs(container, configs=_docker_configs())
            if challenge.lower().startswith("basic"):
                known = getattr(registry.auth, "_basic_auth", None)
                return {"authorization": f"Basic {known}"} if known else {}
            answer = SimpleNamespace(headers={"Www-Authenticate": challenge})
            headers, _ = registry.auth.authenticate_request(answer, {}, refresh=True)
        except OSError as error:  # requests' errors are OSErrors too
            check_trusted(error, "who gives the registry's tokens")
            raise Passing(f"the registry's tokens were asked for ({type(error).__name__})") from None
        except (ValueError, KeyError, TypeError) as error:
            raise Denied(
                f"no token could be had from the registry ({type(error).__name__}): check Docker's file of logins"
            ) from None
        return {str(key).lower(): str(value) for key, value in headers.items()}

    return authorize


def _check_passing(answer: Any, **_: object) -> None:
    """Raises Passing for an answer of who gives tokens that says nothing of the login."""
    if answer.status_code in PASSING:
        said = {str(name).lower(): str(value) for name, value in answer.headers.items()}
        why = f"the registry's tokens were asked for (HTTP {answer.status_code})"
        raise Passing(why, after=seconds_asked(said))


def _login(host: str) -> tuple[str, str] | None:
    """User and password for a registry, by the first file that has them."""
    for path in docker.logins():
        try:
            found = docker.login_of(path.read_text(), host)
        except (OSError, ValueError) as error:
            raise Denied(
                f"{path} cannot be read ({type(error).__name__}): write it as docker login does, and let it be read"
            ) from None
        if found is not None:
            return found
    return None


def _docker_configs() -> list[str]:
    """For its credential helpers, where DOCKER_CONFIG says that Docker's file is; its usual place oras looks at by
    itself."""
    folder = os.environ.get("DOCKER_CONFIG")
    file = Path(folder) / docker.FILE if folder else None
    return [str(file)] if file is not None and file.exists() else []
