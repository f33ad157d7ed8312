"""Logins to registries: what ``docker login`` writes, and Secrets of type kubernetes.io/dockerconfigjson hold."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

FILE: Final = "config.json"
"""Its name in a folder of Docker's."""

DOCKERCONFIGJSON: Final = ".dockerconfigjson"
"""Its name in a Secret of the type kubernetes.io/dockerconfigjson."""

CREDENTIALS: Final = Path("/var/run/slipway/credentials")
"""Where the Secret of ``spec.release.delivery.credentials`` is mounted."""


_HUB: Final = "registry-1.docker.io"
_HUBS: Final = frozenset({"docker.io", "index.docker.io", _HUB})
"""What Docker Hub is called: in references, in files of logins, and where it answers."""


def answering(host: str) -> str:
    """The host that answers for a registry: only Docker Hub is asked elsewhere than its name says."""
    return _HUB if host in _HUBS else host


def key_of(host: str) -> str:
    """What credential helpers, and the files that ``docker login`` writes, know a registry by."""
    return "https://index.docker.io/v1/" if host in _HUBS else host


def logins() -> list[Path]:
    """The files that are there, in the order in which they count."""
    named = os.environ.get("DOCKER_CONFIG")
    folders = [*([Path(named)] if named else []), CREDENTIALS]
    return [path for folder in folders for path in (folder / FILE, folder / DOCKERCONFIGJSON) if path.exists()]


def login_of(text: str, host: str) -> tuple[str, str] | None:
    """User and password for a host, which the file may name by a URL; None where it has none in plain words.

    Raises ValueError for what is no such file.
    """
    try:
        auths = json.loads(text).get("auths", {})
        found: Mapping[str, Any] = next(
            (one for name, one in auths.items() if answering(host) in map(answering, (name, urlsplit(name).netloc))),
            {},
        )
        if found.get("auth"):
            user, _, password = base64.b64decode(found["auth"], validate=True).decode().partition(":")
            return user, password
        return (str(found["username"]), str(found["password"])) if found.get("username") else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no file of Docker's logins ({type(error).__name__})") from None
