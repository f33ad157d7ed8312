"""Requests: one method a verb, plain dictionaries in and out."""

import json
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from slipway_sandbox.client.resources import Manifest, Resource

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

WATCH_LINE_LIMIT = 8 * 1024 * 1024
"""Bytes that one watch event may take: twice the largest body that an API server accepts, with room for quoting."""


class ApiError(Exception):
    """The API refused a request: `code` is the HTTP status, `reason` the machine-readable word of the Status body."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def absent(self) -> bool:
        """There is no such object (any more)."""
        return self.code == 404

    @property
    def conflict(self) -> bool:
        """A precondition or a field's owner stands against the write, or the object exists already."""
        return self.code == 409

    @property
    def expired(self) -> bool:
        """The resourceVersion is too old to resume from: list again."""
        return self.code == 410


class Client:
    """A connection pool to one API server.

    Every method raises `ApiError` when the server refuses, and aiohttp's `ClientError` when it cannot be reached.
    """

    def __init__(self, url: str, *, token: str | None = None, user_agent: str = "slipway-sandbox") -> None:
        self.url = url.rstrip("/")
        headers = {"User-Agent": user_agent}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # Watches hold a connection each for their life, so the pool is not bounded.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=30),
            read_bufsize=2**18,
        )
        self._served: dict[tuple[str, str], Resource] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; watches end with an error."""
        await self._session.close()

    # --- reading -------------------------------------------------------------------------------------------------

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Manifest:
        """Read one object."""
        return await self.request("GET", resource.path(namespace, name))

    async def find(self, resource: Resource, namespace: str | None, name: str) -> Manifest | None:
        """Read one object, or None where there is none."""
        try:
            return await self.get(resource, namespace, name)
        except ApiError as refusal:
            if refusal.absent:
                return None
            raise

    async def list_all(
        self, resource: Resource, namespace: str | None = None, **query: str
    ) -> tuple[list[Manifest], str]:
        """All objects of a collection and the resourceVersion to watch from.

        Items of a list come without their kind; it is put back, so that an object looks the same from wherever it came.
        """
        answer = await self.request("GET", resource.path(namespace), query=query)
        items = answer.get("items") or []
        for item in items:
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", resource.kind)
        return items, str(answer["metadata"].get("resourceVersion", ""))

    async def watch(
        self, resource: Resource, resource_version: str, *, namespace: str | None = None, **query: str
    ) -> AsyncIterator[tuple[str, Manifest]]:
        """Events `(type, object)` from the version on, until the server ends the stream.

        Raises `ApiError` for an ERROR event, 410 among them.
        """
        params = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": resource_version, **query}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        url = self.url + resource.path(namespace)
        async with self._session.get(url, params=params, timeout=timeout) as response:
            if response.status >= 400:
                raise _refusal(response.status, await response.read())
            async for line in _lines(response.content):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _refusal(int(event["object"].get("code", 500)), json.dumps(event["object"]).encode())
                yield event["type"], event["object"]

    # --- writing -------------------------------------------------------------------------------------------------

    async def create(self, resource: Resource, obj: Manifest) -> Manifest:
        """Create an object in the namespace that it names."""
        return await self.request("POST", resource.path(obj["metadata"].get("namespace")), body=obj)

    async def replace(self, resource: Resource, obj: Manifest, subresource: str | None = None) -> Manifest:
        """Put an object; a resourceVersion inside makes the write conditional."""
        metadata = obj["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        return await self.request("PUT", path, body=obj)

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        changes: Any,
        *,
        subresource: str | None = None,
        content_type: str = MERGE_PATCH,
    ) -> Manifest:
        """Change an object; merge patch unless told otherwise."""
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, body=changes, content_type=content_type)

    async def apply(self, obj: Manifest, *, manager: str, force: bool = True) -> Manifest:
        """Server-side apply of an object of any kind that the server serves."""
        resource = await self.resource_for(str(obj["apiVersion"]), str(obj["kind"]))
        metadata = obj["metadata"]
        namespace = metadata.get("namespace", "default") if resource.namespaced else None
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        path = resource.path(namespace, metadata["name"])
        return await self.request("PATCH", path, body=obj, content_type=APPLY_PATCH, query=query)

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
        propagation: str | None = None,
    ) -> Manifest | None:
        """Delete an object; None when it was gone already or is no longer the one with that uid."""
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if propagation:
            options["propagationPolicy"] = propagation
        try:
            return await self.request("DELETE", resource.path(namespace, name), body=options)
        except ApiError as refusal:
            if refusal.absent or (uid and refusal.conflict):
                return None
            raise

    # --- discovery -----------------------------------------------------------------------------------------------

    async def resource_for(self, api_version: str, kind: str) -> Resource:
        """The path of a kind, from the server's discovery document.

        A kind that is not known yet is asked for again each time: its definition may have been made a moment ago.
        Raises `ApiError` with code 404 when the server serves no such kind.
        """
        found = self._served.get((api_version, kind))
        if found is None:
            for resource, _ in await self.served_by(api_version):
                self._served[api_version, resource.kind] = resource
            found = self._served.get((api_version, kind))
        if found is None:
            raise ApiError(404, "NotFound", f'the server serves no kind "{kind}" in "{api_version}"')
        return found

    async def served_by(self, api_version: str) -> list[tuple[Resource, frozenset[str]]]:
        """The resources of one group version with their verbs, subresources left out."""
        prefix = "/apis/" if "/" in api_version else "/api/"
        document = await self.request("GET", prefix + api_version)
        group, _, version = api_version.rpartition("/")
        return [
            (Resource(group, version, entry["name"], entry["kind"], entry["namespaced"]), frozenset(entry["verbs"]))
            for entry in document["resources"]
            if "/" not in entry["name"]
        ]

    async def group_versions(self) -> list[str]:
        """The preferred version of each group served, the legacy group's `v1` among them."""
        groups = await self.request("GET", "/apis")
        return ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups["groups"])]

    # --- transport -----------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Manifest:
        """One request to a path of the API, decoded."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if data is not None else {}
        async with self._session.request(method, self.url + path, params=query, data=data, headers=headers) as response:
            payload = await response.read()
            if response.status >= 400:
                raise _refusal(response.status, payload)
        answer: Manifest = json.loads(payload)
        return answer

    async def reachable(self) -> bool:
        """Whether the server says that it is ready."""
        try:
            async with self._session.get(self.url + "/readyz", timeout=aiohttp.ClientTimeout(total=2)) as response:
                return response.status == 200
        except (TimeoutError, aiohttp.ClientError):
            return False


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length up to the limit: `readline` of the stream refuses objects larger than its buffer."""
    rest = b""
    async for chunk in stream.iter_any():
        *complete, rest = (rest + chunk).split(b"\n")
        if len(rest) > WATCH_LINE_LIMIT:
            raise ApiError(500, "InternalError", "a watch event is longer than any object may be")
        for line in complete:
            if line.strip():
                yield line


def _refusal(code: int, payload: bytes) -> ApiError:
    try:
        status = json.loads(payload)
        return ApiError(int(status.get("code") or code), str(status.get("reason", "")), str(status.get("message", "")))
    except (ValueError, AttributeError):
        return ApiError(code, "", payload[:500].decode(errors="replace"))
