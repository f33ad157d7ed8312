"""Models and runs of an MLflow server, by its REST API.

Not by mlflow-skinny: it pins packages below the versions that the Kubernetes client needs, and of it only these few
requests would be used. The server is that of MLFLOW_TRACKING_URI, and who asks is MLFLOW_TRACKING_TOKEN, or
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD. Artifacts come from where the server says that they are: from the
server itself where it hands them on, or from the object store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from slipway.delivery.errors import AddressError, Denied, MisconfiguredError, NotFound, Unsafe
from slipway.delivery.listing import MAX_FILES, Buffer, Entry, Source, check_path
from slipway.delivery.web import Web, basic

MAX_MODELS: Final = 500
"""Models of a run that are looked at for one of a name: a training run may log one at each checkpoint."""

FIRST_BYTE_SECONDS: Final = 600.0
"""For a file that the server hands on: it brings the whole of it from its store before it says anything."""

_VERSION: Final = re.compile(r"models:/(?P<name>[^/@:]+)(?:/(?P<version>[0-9]+)|@(?P<alias>[^/@:]+))")
_LOGGED: Final = re.compile(r"models:/(?P<id>m-[0-9a-zA-Z]+)(?:/(?P<path>.*))?")
_RUN: Final = re.compile(r"runs:/(?P<run>[^/]+)(?:/(?P<path>.*))?")
_PROXY: Final = "/api/2.0/mlflow-artifacts/artifacts"


class Tracking:
    """One MLflow server."""

    def __init__(self) -> None:
        server = os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise MisconfiguredError("mlflow: needs a server: set MLFLOW_TRACKING_URI to its http or https address")
        if parts.username is not None:
            raise Denied("MLFLOW_TRACKING_URI holds a user or a password: use MLFLOW_TRACKING_USERNAME and _PASSWORD")
        self.server = server
        self.web = Web(lambda _: _who())

    def located(self, text: str) -> str:
        """Where the artifacts of ``models:/…`` or ``runs:/…`` are: a URI of whatever stores them."""
        for _ in range(4):
            if found := _VERSION.fullmatch(text):
                text = self._of_version(found["name"], found["version"], found["alias"])
            elif found := _LOGGED.fullmatch(text):
                about = self._ask(f"logged-models/{quote(found['id'])}", {}, f"no logged model {found['id']}")
                text = _below(str(_in(about, "model", "info", "artifact_uri")), found["path"])
            elif found := _RUN.fullmatch(text):
                text = self._of_run(found["run"], found["path"] or "")
            else:
                return text
        raise AddressError("the MLflow server leads from one name to the next: name the run instead")

    def _of_version(self, name: str, version: str | None, alias: str | None) -> str:
        if version is None:
            wanted = {"name": name, "alias": str(alias)}
            about = self._ask("registered-models/alias", wanted, f"no model {name} with the alias {alias}")
            version = str(_in(about, "model_version", "version"))
        wanted = {"name": name, "version": version}
        missing = f"no version {version} of a model {name}"
        return str(_in(self._ask("model-versions/get-download-uri", wanted, missing), "artifact_uri"))

    def _of_run(self, run: str, path: str) -> str:
        """Artifacts of a run; or those of a model that it has logged, which MLflow 3 keeps by themselves."""
        about = self._ask("runs/get", {"run_id": run}, f"no run {run}")
        first, _, rest = path.partition("/")
        model = self._logged(_in(about, "run").get("outputs") or {}, first) if first else None
        if model is not None:
            return _below(str(_in(model, "artifact_uri")), rest)
        return _below(str(_in(about, "run", "info", "artifact_uri")), path)

    def _logged(self, outputs: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
        """What is known of the model that a run has logged by a name, the latest one as MLflow has it; None where there
        is none. Models that were deleted are still among the outputs."""
        models = [str(one.get("model_id", "")) for one in outputs.get("model_outputs") or ()]
        if len(models) > MAX_MODELS:
            raise AddressError(f"the run has logged more than {MAX_MODELS} models: name one as mlflow:models:/m-…")
        found = []
        for model in models:
            with suppress(NotFound):
                found.append(_in(self._ask(f"logged-models/{quote(model)}", {}, ""), "model", "info"))
        named = [info for info in found if info.get("name") == name]
        return max(named, key=lambda info: int(info.get("creation_timestamp_ms") or 0), default=None)

    def _ask(self, what: str, wanted: Mapping[str, str], missing: str) -> Any:
        query = f"?{urlencode(wanted)}" if wanted else ""
        try:
            return self.web.document(f"{self.server}/api/2.0/mlflow/{what}{query}")
        except NotFound:
            raise NotFound(f"the MLflow server has {missing}: check the name, and MLFLOW_TRACKING_URI") from None


class ProxiedArtifacts(Source):
    """Artifacts that the MLflow server hands on itself. It sends no parts, so these do not go on where they were."""

    def __init__(self, server: str, uri: str) -> None:
        parts = urlsplit(uri)
        if parts.netloc not in ("", urlsplit(server).netloc):
            raise MisconfiguredError(
                f"the artifacts are at another MLflow server, {parts.hostname}: set MLFLOW_TRACKING_URI"
            )
        self._server = server
        self._web = Web(lambda _: _who(), silent=FIRST_BYTE_SECONDS)
        self._root = parts.path.strip("/")

    def entries(self) -> Sequence[Entry]:
        """The files below the path, or the file that it is."""
        found = sorted(self._walk(""), key=lambda entry: entry.path)
        if found:
            return found
        parent, _, name = self._root.rpartition("/")
        for about in self._list(parent):
            if about.get("path") == name and not about.get("is_dir"):
                return [self._entry(name, self._root, about)]
        raise NotFound("there are no artifacts at this path: check the run and the path")

    def _walk(self, folder: str) -> Iterator[Entry]:
        pending, seen = [folder], 0
        while pending:
            below = pending.pop()
            for about in self._list("/".join(part for part in (self._root, below) if part)):
                seen += 1
                if seen > MAX_FILES:
                    raise Unsafe(f"it has more than {MAX_FILES} files: pack them, or name a smaller part")
                name = "/".join(part for part in (below, str(about.get("path", ""))) if part)
                check_path(name)
                if about.get("is_dir"):
                    pending.append(name)
                else:
                    yield self._entry(name, f"{self._root}/{name}", about)

    def _list(self, path: str) -> Sequence[Mapping[str, Any]]:
        document = self._web.document(f"{self._server}{_PROXY}?{urlencode({'path': path})}")
        found = document.get("files", ()) if isinstance(document, Mapping) else ()
        return [one for one in found if isinstance(one, Mapping)]

    def _entry(self, name: str, path: str, about: Mapping[str, Any]) -> Entry:
        size = about.get("file_size")
        known = int(size) if isinstance(size, int | str) and str(size).isdecimal() else None
        return Entry(name, f"{self._server}{_PROXY}/{quote(path)}", known, ranges=False)

    def into(self, entry: Entry, begin: int, view: memoryview) -> Iterator[int]:
        """Never asked: no file has ranges."""
        raise AssertionError(entry, begin, len(view))

    def stream(self, entry: Entry) -> Iterator[Buffer]:
        """See `Source`."""
        return self._web.stream(entry.key)

    def close(self) -> None:
        """See `Source`."""
        self._web.close()


def is_proxied(uri: str) -> bool:
    """Whether artifacts at a URI come from the MLflow server itself."""
    return uri.startswith("mlflow-artifacts:")


def _who() -> Mapping[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if token:
        return {"authorization": f"Bearer {token}"}
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return basic(user, password) if user and password else {}


def _below(uri: str, path: str | None) -> str:
    if not path:
        return uri
    check_path(path.strip("/"))
    return f"{uri.rstrip('/')}/{path.strip('/')}"


def _in(document: Any, *names: str) -> Any:
    for name in names:
        document = document.get(name) if isinstance(document, Mapping) else None
    if document is None:
        raise NotFound(f"the MLflow server's answer has no {'.'.join(names)}: check MLFLOW_TRACKING_URI")
    return document
