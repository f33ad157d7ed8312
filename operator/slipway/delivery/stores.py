"""Object stores: S3, Google Cloud Storage and Azure, by the client that golden sets are read with.

It finds credentials where the clouds' own tools put them: keys and endpoints in AWS_*, GOOGLE_* and AZURE_* variables,
web identities that a service account's token stands for, and the instance's metadata. A retry of its own would hide
what happens, so it makes none: this package tries again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

from slipway.delivery.address import Address
from slipway.delivery.errors import (
    AddressError,
    Changed,
    DeliveryError,
    Denied,
    Field,
    MisconfiguredError,
    NotFound,
    Passing,
)
from slipway.delivery.listing import MAX_FILES, Entry, Source
from slipway.delivery.web import CONNECT_SECONDS, SILENT_SECONDS

_PIECE: Final = 1024 * 1024
_NOT_FOUND: Final = NotFound("there is nothing there: check the bucket, the path and its case")
_DENIED: Final = Denied("the store refuses to show it: check that the credentials given may read and list")
_UNKNOWN: Final = Denied("the store does not know the credentials given: check the environment variables")
_UNUSABLE: Final = MisconfiguredError(
    "the store cannot do anything with what it is asked: check the region, such as AWS_REGION, and that the "
    "credentials given are still valid"
)
_ERRORS: Final[Mapping[str, DeliveryError]] = {
    "NotFoundError": _NOT_FOUND,
    "FileNotFoundError": _NOT_FOUND,
    "PermissionDeniedError": _DENIED,
    "UnauthenticatedError": _UNKNOWN,
    "PreconditionError": Changed("it changed while it was fetched: fetch it again"),
    "InvalidPathError": AddressError("its path is none that a store could have: check for //, . and .."),
    "UnknownConfigurationKeyError": MisconfiguredError(
        "the store's client does not know one of its settings: check the variables"
    ),
    "NotSupportedError": MisconfiguredError("the store's client cannot do what its settings want: check the variables"),
}

_STATUSES: Final[Mapping[str, DeliveryError]] = {
    "301": _UNUSABLE,
    "401": _UNKNOWN,
    "403": _DENIED,
}
"""What answers mean that the client has an error of its own for only where it asks for one object."""

_OVER: Final = frozenset({"AuthorizationHeaderMalformed", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"})
"""What an answer 400 says that stays. Others may pass: where credentials come from, AWS asks for patience by it."""

_HEAD: Final = "performing HEAD"
"""What is asked where an answer has no words."""

_LISTING: Final = "performing list request"
"""Where it is the store that answers, and not somebody who was asked for credentials: nothing is there then."""

_STATUS: Final = re.compile(r"non-2xx status code: (\d{3})")
_ELSEWHERE: Final = "redirect without LOCATION"
"""What the client says of an answer 301, by which S3 says that a bucket is in another region."""

_ALLOW_HTTP: Final = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP")
"""Variables that let an endpoint be http, as many in a cluster are. The client forgets them beside options."""

_VARIABLES: Final = {
    "s3": "the variables AWS_…",
    "gs": "the variables GOOGLE_… and the file that they name",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and the other variables AZURE_…",
}
"""What says how a store is reached, by its scheme."""

_PANIC: Final = "PanicException"
"""What the client ends with where a key or an address does not fit into a request. It is no Exception."""

_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")

Result = TypeVar("Result")


class StoredObjects(Source):
    """An object, or all objects below a prefix."""

    def __init__(self, where: Address, settings: Mapping[str, str] | None = None) -> None:
        """`settings` are the client's own words for what it is told in the place of variables."""
        try:
            import obstore
            from obstore.store import from_url
        except ImportError:
            raise MisconfiguredError(
                f"{where.scheme}:// needs the package obstore: install slipway[stores]", Field.URI
            ) from None
        told: Any = dict(settings or {})
        self._obstore: Any = obstore
        self._path = where.path
        try:
            self._store: Any = _asked(
                lambda: from_url(
                    f"{where.scheme}://{where.host}",
                    config=told,
                    client_options={
                        "allow_http": any(os.environ.get(name, "").lower() in ("true", "1") for name in _ALLOW_HTTP),
                        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                        "read_timeout": timedelta(seconds=SILENT_SECONDS),
                        "timeout": timedelta(minutes=10),
                    },
                    retry_config={"max_retries": 0},
                )
            )
        except Passing:  # nobody was asked yet: what the client cannot use is what it was given
            raise MisconfiguredError(
                f"the store's client cannot be set up with what it is given: check {_VARIABLES[where.scheme]}"
            ) from None

    def entries(self) -> Sequence[Entry]:
        """The object of exactly this name, or else everything below it. Markers of folders are left out.

        Who may read only what is below a name is refused the name itself, whether it exists or not.
        """
        missing: DeliveryError = NotFound(
            "no object has this name or begins with it: check the bucket, the path and its case"
        )
        if self._path and not self._path.endswith("/"):
            try:
                return [
                    _entry(self._path.rpartition("/")[2], _asked(lambda: self._obstore.head(self._store, self._path)))
                ]
            except NotFound:
                pass
            except Denied as denied:
                missing = denied
        prefix = self._path.strip("/")
        listed = _asked(lambda: self._listed(prefix))
        folders = {entry.path.rpartition("/")[0] for entry in listed}
        found = [entry for entry in listed if entry.size or (entry.path not in folders and self._is_object(entry))]
        if not found:
            raise missing
        return found

    def _listed(self, prefix: str) -> list[Entry]:
        below = f"{prefix}/" if prefix else ""
        found: list[Entry] = []
        for page in self._obstore.list(self._store, prefix=below or None, chunk_size=1000):
            for about in page:
                key = str(about["path"])
                name = key.removeprefix(below)
                if key.startswith(below) and name:
                    found.append(_entry(name, about))
            if len(found) > MAX_FILES:
                break
        return sorted(found, key=lambda entry: entry.path)

    def _is_object(self, entry: Entry) -> bool:
        """Whether an empty entry is one. The client takes the slash off the markers that stand for folders."""
        try:
            _asked(lambda: self._obstore.head(self._store, entry.key))
        except NotFound:
            return False
        return True

    def into(self, entry: Entry, begin: int, view: memoryview) -> Iterator[int]:
        """See `Source`."""
        options: dict[str, Any] = {"range": (begin, begin + len(view))}
        if entry.version.startswith('"'):
            options["if_match"] = entry.version
        answer = _asked(lambda: self._obstore.get(self._store, entry.key, options=options))
        if answer.meta["size"] != entry.size or _strong(_etag(answer.meta)) != _strong(entry.version):
            raise Changed("it changed while it was fetched: fetch it again")
        got = 0
        pieces = iter(answer.stream(min_chunk_size=_PIECE))
        while (piece := _asked(lambda: next(pieces, None))) is not None:
            count = min(len(piece), len(view) - got)
            view[got : got + count] = memoryview(piece)[:count]
            got += count
            yield count


def _asked(ask: Callable[[], Result]) -> Result:
    """What the client gives, its errors told in the words of this package. Their texts stay behind: they hold URLs."""
    try:
        return ask()
    except DeliveryError:
        raise
    except Exception as error:  # noqa: BLE001  the client's errors share no base with those of its transport
        known = _ERRORS.get(type(error).__name__)
        if known is not None:
            raise type(known)(known.problem) from None
        text = str(error)
        if "builder error" in text:
            raise MisconfiguredError(
                "the store's endpoint is http: use https, or set AWS_ALLOW_HTTP=true (GOOGLE_, AZURE_)"
            ) from None
        if "InvalidCertificate" in text:
            raise MisconfiguredError("the certificate of the store is not trusted: set SSL_CERT_FILE") from None
        status = "301" if _ELSEWHERE in text else (found[1] if (found := _STATUS.search(text)) else "")
        code = _CODE.search(text)
        refused = _STATUSES.get(status)
        if status == "404" and _LISTING in text:
            refused = _NOT_FOUND
        if status == "400" and (_HEAD in text or (code is not None and code[1] in _OVER)):
            refused = _UNUSABLE
        if refused is not None:
            raise type(refused)(refused.problem) from None
        if type(error).__name__ in ("GenericError", "TimeoutError", "OSError", "JoinError", "BaseError"):
            told = f"the store answers {code[1]}" if code else "the store's client cannot read it"
            raise Passing(told) from None
        raise AddressError(f"the store's client does not take it ({type(error).__name__}): check the address") from None
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise MisconfiguredError(
            "the store's client cannot send what it is given: check the variables for characters that no key has"
        ) from None


def _entry(name: str, about: Any) -> Entry:
    return Entry(name, str(about["path"]), int(about["size"]), _etag(about))


def _etag(about: Any) -> str:
    """An ETag as headers have it, in quotes: in lists, Azure and some that speak S3 leave them out."""
    said = str(about.get("e_tag") or "")
    bare = said.removeprefix("W/").strip('"')
    return f'{"W/" if said.startswith("W/") else ""}"{bare}"' if bare else ""


def _strong(etag: str) -> str:
    """What a proxy on the way leaves of an ETag that it makes a weak one."""
    return etag.removeprefix("W/")
