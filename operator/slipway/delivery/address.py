"""URIs: what may be written, taken apart. Pure.

======================================  ==========================================================
``s3://bucket/key``                     an object, or everything below it; so ``gs://`` and ``az://``
``hf://org/name[@revision][/path]``     a repository of the Hugging Face Hub, or a part of it
``https://host/path/file``              one file
``oci://host/repository[:tag|@digest]`` the files of an OCI artifact
``pvc://claim/path``                    a file or folder of a volume that is mounted
``file:///path``                        a file or folder
``mlflow:models:/name/version``         a registered model's version; also ``mlflow:models:/name@alias``
``mlflow:runs:/run/path``               artifacts of a run
======================================  ==========================================================

Credentials in a URI are refused and never repeated: URIs are recorded, shown and logged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from slipway.delivery.errors import AddressError, Field

SCHEMES: Final = ("s3", "gs", "az", "hf", "https", "oci", "pvc", "file", "mlflow")
"""What can be fetched. ``http`` is taken for loopback addresses, and elsewhere beside a digest."""

MAX_URI: Final = 2048
"""Characters of a URI."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_SIGNS: Final = re.compile(
    r"(x-(amz|goog|ms)-.*|awsaccesskeyid|googleaccessid|signature|sig|se|sv|policy|key-pair-id"
    r"|.*(token|secret|passw|credential|api[-_]?key|auth).*)",
    re.IGNORECASE,
)
"""Names of query parameters that hold credentials, those of signed URLs among them."""

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_BUCKET: Final = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*")
_CLAIM: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_MODEL: Final = re.compile(r"models:/(?P<name>[^/@:]+)(?:/(?P<version>[0-9]+)|@(?P<alias>[^/@:]+))")
_LOGGED: Final = re.compile(r"models:/(?P<id>m-[0-9a-zA-Z]+)(?:/(?P<path>.*))?")
_RUN: Final = re.compile(r"runs:/(?P<run>[0-9a-zA-Z_-]+)(?:/(?P<path>.*))?")


@dataclass(frozen=True, slots=True)
class Address:
    """A URI that was read."""

    uri: str
    scheme: str
    host: str
    """Bucket, container, claim or host with its port; empty for ``file`` and ``mlflow``."""
    path: str
    """Without a leading slash, percent-encodings taken out; for ``https`` as it is written, with its query; for
    ``mlflow`` what follows the colon."""


def address(uri: str, *, pinned: bool = False) -> Address:
    """Reads a URI; `pinned` says that a digest is checked. Raises AddressError, which repeats no credentials."""
    if len(uri) > MAX_URI:
        raise AddressError(f"it has {len(uri)} characters: write at most {MAX_URI}")
    if re.search(r"[\s\x00-\x1f\x7f]", uri):
        raise AddressError("it holds white space or control characters: percent-encode them")
    found = _SCHEME.fullmatch(uri)
    if found is None:
        raise AddressError(f"it has no scheme: begin it with one of {_known()}")
    scheme, rest = found[1].lower(), found[2]
    if scheme == "mlflow":
        return _mlflow(uri, rest)
    if scheme not in (*SCHEMES, "http"):
        raise AddressError(f"{scheme[:30]}: is not a scheme that can be fetched: use one of {_known()}")
    if not rest.startswith("//"):
        raise AddressError(f"write it like {scheme}://…")
    return _located(uri, scheme, pinned=pinned)


def _known() -> str:
    return ", ".join(f"{scheme}://" for scheme in SCHEMES if scheme != "mlflow") + " and mlflow:"


def _located(uri: str, scheme: str, *, pinned: bool) -> Address:
    try:
        parts = urlsplit(uri)
        _ = scheme in ("http", "https", "oci") and parts.port  # raises for one that is too large
    except ValueError:
        raise AddressError(f"it is no {scheme} URL: check its host") from None
    revision = scheme == "hf"  # hf://org/name@revision has its @ in the path
    if "@" in parts.netloc and not revision:
        raise AddressError(
            "it holds a user or a password: leave them out and give credentials by environment variables or files",
            Field.URI,
        )
    if parts.fragment or uri.endswith("#"):
        raise AddressError("it has a fragment (#…): leave it out, or percent-encode the #")
    _check_query(scheme, parts.query)
    match scheme:
        case "http" | "https":
            return _web(uri, scheme, parts.netloc, parts.path, parts.query, pinned=pinned)
        case "file":
            if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
                raise AddressError("write it like file:///an/absolute/path")
            return Address(uri, scheme, "", unquote(parts.path).lstrip("/"))
        case "pvc":
            return _named(uri, scheme, parts.netloc, parts.path, _CLAIM, example="pvc://claim/path")
        case "oci":
            return _named(
                uri, scheme, parts.netloc, parts.path, _HOST, example="oci://host/repository:tag", needs_path=True
            )
        case "hf":
            return Address(uri, scheme, "", unquote(f"{parts.netloc}{parts.path}"))
    return _named(uri, scheme, parts.netloc, parts.path, _BUCKET, example=f"{scheme}://bucket/path", needs_path=True)


def _check_query(scheme: str, query: str) -> None:
    if any(_SIGNS.fullmatch(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
        raise AddressError(
            "its query holds a token or a signature: leave it out and give credentials by environment variables or "
            "files",
            Field.URI,
        )
    if query and scheme not in ("http", "https"):
        raise AddressError(f"{scheme}:// takes no query (?…): leave it out, or percent-encode the ?")


def _named(
    uri: str, scheme: str, host: str, path: str, pattern: re.Pattern[str], *, example: str, needs_path: bool = False
) -> Address:
    if not pattern.fullmatch(host) or (needs_path and not path.strip("/")):
        raise AddressError(f"write it like {example}")
    return Address(uri, scheme, host, unquote(path).lstrip("/"))


def _web(uri: str, scheme: str, host: str, path: str, query: str, *, pinned: bool) -> Address:
    if not _HOST.fullmatch(host):
        raise AddressError(f"write it like {scheme}://host/path/file")
    if path.endswith("/") or not path:
        raise AddressError("it names a folder, which https cannot list: name one file, such as an archive")
    if scheme == "http" and not pinned and not is_loopback(host):
        raise AddressError("http:// lets anybody on the way change the bytes: use https://, or pin the digest")
    return Address(uri, scheme, host, f"{path.removeprefix('/')}?{query}" if query else path.removeprefix("/"))


def _mlflow(uri: str, rest: str) -> Address:
    if any(pattern.fullmatch(rest) for pattern in (_MODEL, _LOGGED, _RUN)):
        return Address(uri, "mlflow", "", unquote(rest))
    raise AddressError(
        "write it like mlflow:models:/name/3, mlflow:models:/name@alias or mlflow:runs:/run/path; the server is that "
        "of MLFLOW_TRACKING_URI"
    )


def is_loopback(host: str) -> bool:
    """Whether a host, with a port or not, is this machine."""
    bare = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"
