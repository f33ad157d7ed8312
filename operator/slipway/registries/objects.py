"""S3 and what speaks its language: the highest version below a prefix.

Asked over `slipway.outside` and not by a store's own client, because the address may be a user's. Requests are signed
by version 4 of AWS's scheme.

A folder that is being uploaded looks like one that is whole. So a version counts once two looks, an interval apart,
have found the same objects in it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from slipway.api import ResolvedModel, S3Versions
from slipway.registries.asking import MALFORMED, MISSING, REFUSED, Asker, RegistryError

MOST_PAGES: Final = 10
"""Pages of a thousand versions, or of a thousand objects in one."""

_FIELD: Final = "spec.release.from.s3.prefix"
_VERSION: Final = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]{0,63}")
_PORTS: Final = {"http": ":80", "https": ":443"}
_NOTHING: Final = hashlib.sha256(b"").hexdigest()


async def highest(
    asker: Asker, spec: S3Versions, known: ResolvedModel | None, unsettled: tuple[str, str] | None
) -> tuple[ResolvedModel | None, tuple[str, str] | None]:
    """The highest version that is whole, and what is not settled yet. Raises RegistryError."""
    bucket, _, path = spec.prefix.removeprefix("s3://").strip("/").partition("/")
    below = f"{path}/" if path else ""
    names = [name.removeprefix(below).rstrip("/") for name in await _listed(asker, bucket, below, folders=True)]
    versions = sorted((name for name in names if _VERSION.fullmatch(name)), key=version_order)
    if not versions:
        example = f"{spec.prefix.rstrip('/')}/1/"
        raise RegistryError(
            MISSING, f"{_FIELD}: there is no folder below {spec.prefix}: upload versions such as {example}"
        )
    version = versions[-1]
    if known is not None and known.version == version:
        return known, None
    objects = await _listed(asker, bucket, f"{below}{version}/", folders=False)
    now = (version, hashlib.sha256("\n".join(objects).encode()).hexdigest())
    if not objects or now != unsettled:
        return known, now
    return ResolvedModel(version=version, uri=f"s3://{bucket}/{below}{version}/"), None


def version_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers in names count as numbers: 10 is higher than 9, and 2026-11-02 than 2026-9-30."""
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.findall(r"\d+|\D+", name))


async def _listed(asker: Asker, bucket: str, prefix: str, *, folders: bool) -> list[str]:
    """The folders right below a prefix, or a line for each object below it."""
    found: list[str] = []
    token = ""
    for _ in range(MOST_PAGES):
        query = {"list-type": "2", "prefix": prefix}
        query |= {"delimiter": "/"} if folders else {}
        query |= {"continuation-token": token} if token else {}
        page = await _page(asker, bucket, query)
        if folders:
            found += [str(entry.findtext("{*}Prefix")) for entry in page.iterfind("{*}CommonPrefixes")]
        else:
            fields = ("Key", "Size", "ETag", "LastModified")
            found += [
                "\t".join(entry.findtext(f"{{*}}{field}") or "" for field in fields)
                for entry in page.iterfind("{*}Contents")
            ]
        token = page.findtext("{*}NextContinuationToken") or ""
        if not token:
            return found
    raise RegistryError(
        MALFORMED, f"{_FIELD}: there are more than {MOST_PAGES} thousand entries below it: name a prefix with fewer"
    )


async def _page(asker: Asker, bucket: str, query: Mapping[str, str]) -> ElementTree.Element:
    secret = {name: value.strip() for name, value in asker.secret.items()}
    region = secret.get("AWS_REGION") or secret.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = (secret.get("AWS_ENDPOINT_URL") or f"https://s3.{region}.amazonaws.com").rstrip("/")
    if urlsplit(endpoint).scheme not in ("http", "https"):
        raise RegistryError(REFUSED, "spec.release.from.credentials: AWS_ENDPOINT_URL is no http or https address")
    url = f"{endpoint}/{bucket}?{canonical_query(query)}"
    answer = await asker.ask(url, _FIELD, headers=signed(url, secret, region, datetime.now(UTC)))
    if answer.status == 404:
        raise RegistryError(MISSING, f"{_FIELD}: the store has no bucket {bucket}: check its name and AWS_ENDPOINT_URL")
    if not answer.ok:
        raise RegistryError(MALFORMED, f"{_FIELD}: the store answered HTTP {answer.status}: check AWS_REGION")
    try:
        if b"<!" in answer.body:  # a list of objects has no declarations, and an entity can be a bomb
            raise ValueError
        page = ElementTree.fromstring(answer.body)  # noqa: S314 - see above
        if not page.tag.endswith("ListBucketResult"):
            raise ValueError
    except (ElementTree.ParseError, ValueError):
        raise RegistryError(MALFORMED, f"{_FIELD}: the answer is no list of objects: check AWS_ENDPOINT_URL") from None
    return page


def canonical_query(query: Mapping[str, str]) -> str:
    """A query in the one form that is signed."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))


def signed(url: str, secret: Mapping[str, str], region: str, now: datetime) -> dict[str, str]:
    """The headers of a GET that say who asks, by AWS Signature Version 4; none where the Secret has no keys. The query
    of the URL is in the form of `canonical_query`."""
    key, private = secret.get("AWS_ACCESS_KEY_ID"), secret.get("AWS_SECRET_ACCESS_KEY")
    if not key or not private:
        return {}
    parts = urlsplit(url)
    time = now.strftime("%Y%m%dT%H%M%SZ")
    # As clients of HTTP send it: a port that goes without saying is not said.
    host = parts.netloc.lower().removesuffix(_PORTS.get(parts.scheme, ""))
    headers = {"host": host, "x-amz-content-sha256": _NOTHING, "x-amz-date": time}
    if secret.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = secret["AWS_SESSION_TOKEN"]
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"GET\n{parts.path or '/'}\n{parts.query}\n{lines}\n{names}\n{_NOTHING}"
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signer = f"AWS4{private}".encode()
    for step in scope.split("/"):
        signer = hmac.digest(signer, step.encode(), "sha256")
    signature = hmac.digest(signer, text.encode(), "sha256").hex()
    del headers["host"]
    proof = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": proof}
