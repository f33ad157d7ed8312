"""Where the API server is and who we are there.

Kubeconfig files, exec plugins, OIDC and service accounts are read by the `kubernetes` package: what clouds do there
changes often and is not ours to follow. What it leaves open is closed here: credentials are loaded anew when they are a
minute old and come from a file, when a plugin's credentials are about to expire, and once when the server refuses them.
Environment proxies are not read, because the watches do not read them either; a kubeconfig's `proxy-url` is honoured.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from slipway.cluster.errors import ClusterError, Unauthorized

TOKEN_AGE = 60.0
"""Seconds after which a token that came from a file is read again; the kubelet rotates long before the old one expires.
"""

EXPIRY_MARGIN = timedelta(minutes=5)
"""How long before their end the credentials of a plugin are asked for anew. The same margin the `kubernetes` package
keeps.
"""

RENEWAL_PAUSE = 10.0
"""Seconds between two renewals, so that a plugin whose credentials live for minutes does not run before every request.
"""

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod finds the namespace that it runs in."""


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """How to reach an API server, in plain fields; the names are those that kopf's login handlers return."""

    server: str
    ca_path: str | None = None
    insecure: bool | None = None
    scheme: str | None = None
    """The authorization scheme that goes with the token: Bearer or Basic."""
    token: str | None = field(default=None, repr=False)
    certificate_path: str | None = None
    private_key_path: str | None = None
    proxy_url: str | None = None
    default_namespace: str | None = None
    """The namespace that the kubeconfig's context or the service account is in."""
    expiration: datetime | None = None
    """When a plugin's credentials end, in UTC; None when nobody said."""


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials as they were loaded at one moment, in the form that the transport takes."""

    configuration: Any
    """A `kubernetes.aio.client.Configuration`."""
    info: ConnectionInfo
    rotates: bool
    """Whether the token comes from a file that somebody else rewrites."""

    @property
    def authorization(self) -> str | None:
        """The value of the Authorization header."""
        return f"{self.info.scheme} {self.info.token}" if self.info.token is not None else None


class Credentials:
    """Keeps one login fresh. Safe to share between tasks: whoever comes first renews, the others wait for it."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._lock = asyncio.Lock()
        self._login: Login | None = None
        self._loaded_at = 0.0

    async def current(self) -> Login:
        """A login that is not known to be stale."""
        async with self._lock:
            if self._login is None or self._stale(self._login):
                await self._load()
            assert self._login is not None  # noqa: S101 - _load sets it or raises
            return self._login

    async def renewed(self, refused: Login) -> Login:
        """The login that replaces one which the server refused."""
        async with self._lock:
            if self._login is refused:
                await self._load()
            assert self._login is not None  # noqa: S101 - a refused login was loaded once
            return self._login

    def _stale(self, login: Login) -> bool:
        age = time.monotonic() - self._loaded_at
        if login.info.expiration is not None:
            return age >= RENEWAL_PAUSE and login.info.expiration - EXPIRY_MARGIN <= datetime.now(UTC)
        return login.rotates and age >= TOKEN_AGE

    async def _load(self) -> None:
        self._login = await load_login(self._kubeconfig, self._context)
        self._loaded_at = time.monotonic()


async def connection_info(*, kubeconfig: str | None = None, context: str | None = None) -> ConnectionInfo:
    """Loads the credentials now and tells them; every call reads files and runs plugins again.

    Raises Unauthorized when there are none, or ClusterError when they cannot be read; the message says where they were
    looked for.
    """
    return (await load_login(kubeconfig, context)).info


async def load_login(kubeconfig: str | None, context: str | None) -> Login:
    """Reads the kubeconfig that applies, or else the service account of the pod that this runs in."""
    paths = _kubeconfig_paths(kubeconfig)
    return await _load_kubeconfig(paths, context) if paths is not None else _load_service_account()


def _kubeconfig_paths(given: str | None) -> str | None:
    """The kubeconfig files, joined as in KUBECONFIG, or None when nobody named any and the usual one is not there."""
    named = given or os.environ.get("KUBECONFIG")
    usual = Path.home() / ".kube" / "config"
    if not named:
        return str(usual) if usual.is_file() else None
    if not any(Path(path).expanduser().is_file() for path in named.split(os.pathsep) if path):
        raise ClusterError(f"kubeconfig {named}: there is no such file")
    return named


def _load_service_account() -> Login:
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config import ConfigException, incluster_config

    configuration = Configuration()
    try:
        incluster_config.load_incluster_config(configuration, try_refresh_token=False)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise Unauthorized(
            f"no credentials: no kubeconfig (--kubeconfig, KUBECONFIG, ~/.kube/config) and no service account ({error})"
        ) from error
    namespace = SERVICE_ACCOUNT_NAMESPACE.read_text().strip() if SERVICE_ACCOUNT_NAMESPACE.is_file() else None
    return Login(configuration, _info(configuration, namespace, None), rotates=True)


async def _load_kubeconfig(paths: str, context: str | None) -> Login:
    import yaml
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config import ConfigException, load_kube_config

    configuration = Configuration()
    try:
        # persist_config would write renewed tokens into a file that belongs to the user.
        loader = await load_kube_config(  # type: ignore[no-untyped-call]
            config_file=paths, context=context, client_configuration=configuration, persist_config=False
        )
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        # The loader meets a malformed file with whatever its code trips over.
        raise ClusterError(f"kubeconfig {paths}: cannot be read: {error}") from error
    user = _section(loader, "_user")
    if "exec" in user and "BearerToken" not in configuration.api_key and not configuration.cert_file:
        # The loader logs the plugin's error and goes on without credentials; a later 401 would say nothing.
        command = user["exec"].get("command")
        raise Unauthorized(
            f"kubeconfig {paths}: the exec plugin {command} gave no credentials; its error is in the log"
        )
    expiration: datetime | None = getattr(loader, "exec_plugin_expiry", None)
    namespace = loader.current_context["context"].get("namespace")
    return Login(configuration, _info(configuration, namespace, expiration), rotates="tokenFile" in user)


def _section(loader: Any, name: str) -> dict[str, Any]:
    node = getattr(loader, name)
    value = node.value if node is not None else None
    return value if isinstance(value, dict) else {}


def _info(configuration: Any, namespace: str | None, expiration: datetime | None) -> ConnectionInfo:
    scheme, token = _authorization(configuration.api_key.get("BearerToken"))
    if token is not None:
        configuration.api_key["BearerToken"] = f"{scheme} {token}"
    return ConnectionInfo(
        server=configuration.host.rstrip("/"),
        ca_path=configuration.ssl_ca_cert or None,
        insecure=None if configuration.verify_ssl else True,
        scheme=scheme,
        token=token,
        certificate_path=configuration.cert_file or None,
        private_key_path=configuration.key_file or None,
        proxy_url=configuration.proxy or None,
        default_namespace=namespace,
        expiration=expiration,
    )


def _authorization(header: str | None) -> tuple[str | None, str | None]:
    """Splits scheme and token; a line end at the end of a token file would otherwise break the header."""
    if header is None:
        return None, None
    scheme, _, token = header.partition(" ")
    return scheme.capitalize(), token.strip()
