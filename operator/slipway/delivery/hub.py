"""Repositories of the Hugging Face Hub, or of a mirror at HF_ENDPOINT.

The hub's library lists what is there and knows the token; the bytes come by `Web`, as its own download writes caches
and links of which a model's folder has to be free. A revision is resolved to its commit first, so that all files are
of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from slipway.delivery.address import Address
from slipway.delivery.errors import AddressError, DeliveryError, Denied, Field, MisconfiguredError, NotFound, Passing
from slipway.delivery.listing import Buffer, Entry, Source
from slipway.delivery.pacing import seconds_asked
from slipway.delivery.web import Web, check_trusted

_KINDS: Final = {"datasets": "dataset", "spaces": "space"}
_ERRORS: Final[Mapping[str, DeliveryError]] = {
    "GatedRepoError": Denied("the repository is gated: accept its terms, and give a token of who did in HF_TOKEN"),
    "RepositoryNotFoundError": NotFound(
        "there is no such repository, or it is private: check the name, and give a token in HF_TOKEN"
    ),
    "RevisionNotFoundError": NotFound("the repository has no such revision: check the branch, tag or commit after @"),
    "EntryNotFoundError": NotFound("the repository has no such file or folder: check the path"),
    "HFValidationError": AddressError("it is no name of a repository: write it like hf://org/name@revision/path"),
}

Result = TypeVar("Result")


class HubFiles(Source):
    """The files of a repository at one commit."""

    def __init__(self, where: Address) -> None:
        try:
            import huggingface_hub
        except ImportError:
            raise MisconfiguredError(
                "hf:// needs the package huggingface-hub: install slipway[delivery]", Field.URI
            ) from None
        self._hub: Any = huggingface_hub
        self._kind, self._name, self._revision, self._path = _parts(where.path)
        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
        if urlsplit(endpoint).username is not None:
            raise Denied("HF_ENDPOINT holds a user or a password: give a token in HF_TOKEN")
        token = huggingface_hub.get_token()
        self._api: Any = huggingface_hub.HfApi(endpoint=endpoint, token=token or False)
        self._web = Web(lambda _: {"authorization": f"Bearer {token}"} if token else {})

    def entries(self) -> Sequence[Entry]:
        """The files as the commit has them."""
        asked: dict[str, Any] = {"repo_id": self._name, "repo_type": self._kind}
        info = _asked(lambda: self._api.repo_info(**asked, revision=self._revision, timeout=30.0))
        asked["revision"] = commit = str(info.sha)
        if self._path:
            found = _asked(lambda: self._api.get_paths_info(paths=[self._path], **asked))
            if not found:
                raise NotFound("the repository has no such file or folder: check the path")
            if isinstance(found[0], self._hub.hf_api.RepoFile):
                return [self._entry(self._path.rpartition("/")[2], found[0], commit)]
        tree = _asked(lambda: list(self._api.list_repo_tree(path_in_repo=self._path or None, recursive=True, **asked)))
        below = f"{self._path}/" if self._path else ""
        files = [one for one in tree if isinstance(one, self._hub.hf_api.RepoFile)]
        if not files:
            raise NotFound("the repository holds no files there: check the path and the revision")
        return [self._entry(str(one.path).removeprefix(below), one, commit) for one in files]

    def _entry(self, name: str, about: Any, commit: str) -> Entry:
        url = self._hub.hf_hub_url(
            self._name, about.path, repo_type=self._kind, revision=commit, endpoint=self._api.endpoint
        )
        large = about.lfs
        known = str(large.sha256) if large is not None else ""
        return Entry(name, url, int(about.size), sha256=known, ranges=large is not None)

    def into(self, entry: Entry, begin: int, view: memoryview) -> Iterator[int]:
        """See `Source`."""
        return self._web.into(entry.key, entry, begin, view)

    def stream(self, entry: Entry) -> Iterator[Buffer]:
        """See `Source`."""
        return self._web.stream(entry.key)

    def close(self) -> None:
        """See `Source`."""
        self._web.close()


def _parts(path: str) -> tuple[str, str, str | None, str]:
    """Kind, name, revision and path of what follows ``hf://``."""
    first, _, rest = path.partition("/")
    kind = _KINDS.get(first, "model")
    if kind == "model":
        rest = path
    owner, _, rest = rest.partition("/")
    named, _, below = rest.partition("/")
    name, marked, revision = named.partition("@")
    if not owner or not name or "@" in owner or (marked and not revision):
        raise AddressError("write it like hf://org/name, hf://org/name@revision or hf://org/name@revision/path")
    if revision == "refs" and below.count("/") >= 1:  # refs/pr/1, which is written with %2F
        group, number, *more = below.split("/", 2)
        revision, below = f"refs/{group}/{number}", more[0] if more else ""
    return kind, f"{owner}/{name}", revision or None, below.strip("/")


def _asked(ask: Callable[[], Result]) -> Result:
    """What the hub's library gives, its errors told in the words of this package."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001  of the hub, of its client, of the validation: told apart below
        for kind in type(error).__mro__:
            if (known := _ERRORS.get(kind.__name__)) is not None:
                raise type(known)(known.problem) from None
        answer = getattr(error, "response", None)
        status = getattr(answer, "status_code", None)
        if status in (401, 403):
            raise Denied("the hub refuses to show it: give a token that may read it in HF_TOKEN") from None
        if isinstance(status, int) and status < 500 and status != 429:
            raise NotFound(f"the hub answered HTTP {status}: check the name and HF_ENDPOINT") from None
        check_trusted(error, "the hub")
        told = f"HTTP {status}" if status else type(error).__name__
        said = {str(name).lower(): str(value) for name, value in getattr(answer, "headers", {}).items()}
        raise Passing(f"the hub was asked, with {told}", after=seconds_asked(said)) from None
