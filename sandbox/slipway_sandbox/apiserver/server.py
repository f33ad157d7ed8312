"""The HTTP side: aiohttp in front of the dispatcher."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import ssl
from pathlib import Path
from typing import Any

from aiohttp import web

from slipway_sandbox.apiserver import errors, views
from slipway_sandbox.apiserver.admission import NAMESPACES as NAMESPACE_KEY
from slipway_sandbox.apiserver.admission import PRIORITIES
from slipway_sandbox.apiserver.calls import BODY_LIMIT, Answer, Call, text_answer, warn
from slipway_sandbox.apiserver.certificates import make_certificates, server_context
from slipway_sandbox.apiserver.dispatch import Dispatcher
from slipway_sandbox.apiserver.errors import ApiError, PlainNotFoundError
from slipway_sandbox.apiserver.journal import Journal
from slipway_sandbox.apiserver.rbac import AUTHENTICATED, MASTERS
from slipway_sandbox.apiserver.tokens import ADMIN, Tokens, User, new_key

log = logging.getLogger("slipway_sandbox.apiserver")

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
PRIORITY_CLASSES = (
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
)


class ApiServer:
    """A Kubernetes API server in this process.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one, which `url` tells after `start`.
        token: when given, requests have to carry it as their bearer token.
        state_file: when given, the objects are kept in this file and are there again at the next start with it.
        tls_dir: when given, HTTPS is spoken, with certificates that every start makes anew in this folder: `ca.crt` is
            what clients trust, and is in the kubeconfig. kubectl sends a token over HTTPS only.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, token: str | None = None, *, state_file: Path | None = None,
        tls_dir: Path | None = None,
    ) -> None:  # fmt: skip
        self._host = host
        self._port = port
        self._token = token
        self._tls_dir = tls_dir
        self._authority = ""
        self._state_file = state_file
        self._journal: Journal | None = None
        self._tokens = Tokens(token, new_key())
        self._runner: web.ServerRunner | None = None
        self._dispatcher: Dispatcher | None = None
        self._streams: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        """The base address, without a slash at the end."""
        return f"{'http' if self._tls_dir is None else 'https'}://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or the folder for certificates cannot be written.
            StateFileError: the state file is in use, damaged, or not one.
        """
        loop = asyncio.get_running_loop()
        sock = socket.create_server((self._host, self._port), backlog=512)
        try:
            tls = self._make_tls()
            if self._state_file is not None:
                self._journal = Journal(self._state_file, new_key())
                self._tokens = Tokens(self._token, self._journal.token_key)
            self._dispatcher = Dispatcher(loop.call_soon, self._tokens, self._journal)
        except BaseException:
            sock.close()
            self._close_journal()
            raise
        self._make_first_objects(self._dispatcher)
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.5)
        await self._runner.setup()
        self._port = sock.getsockname()[1]
        self._dispatcher.address = f"{self._host}:{self._port}"
        await web.SockSite(self._runner, sock, ssl_context=tls).start()

    def _make_tls(self) -> ssl.SSLContext | None:
        if self._tls_dir is None:
            return None
        hosts = [self._host, "127.0.0.1", "localhost", "kubernetes.default.svc"]
        self._authority = base64.b64encode(make_certificates(self._tls_dir, hosts).read_bytes()).decode()
        return server_context(self._tls_dir)

    async def stop(self) -> None:
        """Stop listening, end open watches, and close the state file."""
        for task in list(self._streams):
            task.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._close_journal()

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig for the administrator, to be written as YAML or JSON."""
        user = {"token": self._token} if self._token else {"username": ADMIN.name, "password": "sandbox"}
        cluster = {"server": self.url}
        if self._authority:
            cluster["certificate-authority-data"] = self._authority
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": cluster}],
            "users": [{"name": ADMIN.name, "user": user}],
            "contexts": [
                {"name": "sandbox", "context": {"cluster": "sandbox", "user": ADMIN.name, "namespace": "default"}}
            ],
            "current-context": "sandbox",
        }

    def _make_first_objects(self, dispatcher: Dispatcher) -> None:
        """What every cluster has from its beginning."""
        for name in NAMESPACES:
            if dispatcher.store.get(NAMESPACE_KEY, name) is None:
                self._make(dispatcher, "/api/v1/namespaces", "v1", "Namespace", {"metadata": {"name": name}})
        path, version = "/apis/scheduling.k8s.io/v1/priorityclasses", "scheduling.k8s.io/v1"
        for name, value, text in PRIORITY_CLASSES:
            if dispatcher.store.get(PRIORITIES, name) is None:
                content = {"metadata": {"name": name}, "value": value, "description": text}
                self._make(dispatcher, path, version, "PriorityClass", content)

    def _make(self, dispatcher: Dispatcher, path: str, version: str, kind: str, content: dict[str, Any]) -> None:
        body = views.dump({"apiVersion": version, "kind": kind, **content})
        agent = "kube-apiserver/sandbox"
        dispatcher.handle(Call("POST", path, {}, body, "application/json", "", agent, ADMIN.name, ADMIN.groups))

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            answer = await self._answer(request)
            if answer.upgrade is not None:
                return await self._join(request, answer)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            log.exception("a request failed: %s %s", request.method, request.path_qs)
            answer = _refusal(errors.internal(f"{type(error).__name__}: {error}"))
        if answer.stream is not None:
            return await self._stream(request, answer)
        response = web.Response(body=b"" if request.method == "HEAD" else answer.body, status=answer.status)
        response.headers["Content-Type"] = answer.content_type
        for name, value in answer.headers:
            response.headers.add(name, value)
        return response

    async def _answer(self, request: web.BaseRequest) -> Answer:
        try:
            call = await self._call(request)
            if self._dispatcher is None:
                raise errors.internal("the server is not started")
            answer = self._dispatcher.handle(call)
            return await answer.deferred() if answer.deferred is not None else answer
        except PlainNotFoundError:
            return text_answer("404 page not found\n", 404)
        except ApiError as error:
            return _refusal(error)
        except RecursionError:
            return _refusal(errors.bad_request("exceeded max depth"))  # writes come last, so none was made

    async def _call(self, request: web.BaseRequest) -> Call:
        headers = request.headers
        user = self._user(headers.get("Authorization", ""))
        if "Impersonate-User" in headers and MASTERS in user.groups:
            user = User(headers["Impersonate-User"], (*headers.getall("Impersonate-Group", ()), AUTHENTICATED))
        body = await _body(request)
        return Call(
            method=request.method,
            path=request.rel_url.raw_path,
            query=dict(reversed(list(request.rel_url.query.items()))),
            body=body,
            content_type=headers.get("Content-Type", ""),
            accept=headers.get("Accept", ""),
            agent=headers.get("User-Agent", ""),
            user=user.name,
            groups=user.groups,
        )

    def _user(self, authorization: str) -> User:
        """Who sends a request: without a token configured everybody is the administrator, unless he says otherwise."""
        scheme, _, token = authorization.partition(" ")
        user = self._tokens.user(token.strip()) if scheme.lower() == "bearer" else None
        if user is not None:
            return user
        if self._token is None:
            return ADMIN
        raise ApiError(401, "Unauthorized", "Unauthorized")

    async def _join(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        task: Any = asyncio.current_task()
        self._streams.add(task)
        try:
            joined: web.StreamResponse = await answer.upgrade(request)
        except ApiError as error:
            refused = _refusal(error)
            return web.Response(body=refused.body, status=refused.status, content_type=refused.content_type)
        finally:
            self._streams.discard(task)
        return joined

    async def _stream(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": answer.content_type, "Cache-Control": "no-cache, private"}
        )
        for name, value in answer.headers:
            response.headers.add(name, value)
        await response.prepare(request)
        task = asyncio.current_task()
        if task is not None:
            self._streams.add(task)
        stream: Any = answer.stream
        try:
            async for chunk in stream:
                await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            log.debug("a watcher went away: %s", request.path_qs)
        finally:
            await stream.aclose()
            if task is not None:
                self._streams.discard(task)
        return response


async def _body(request: web.BaseRequest) -> bytes:
    if not request.body_exists:
        return b""
    parts: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size <= BODY_LIMIT:
            parts.append(chunk)
    if size > BODY_LIMIT:
        raise errors.too_large(f"Request entity too large: limit is {BODY_LIMIT}")
    return b"".join(parts)


def _refusal(error: ApiError) -> Answer:
    return warn(Answer(views.dump(error.body()), error.code, headers=list(error.headers.items())), error.warnings)
