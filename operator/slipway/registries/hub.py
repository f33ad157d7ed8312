"""The Hugging Face Hub: the commit that a branch or a tag stands for."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from slipway.api import HuggingFaceRevision, ResolvedModel
from slipway.registries.asking import MALFORMED, MISSING, REFUSED, Asker, RegistryError, document_of, text_in

ENDPOINT: Final = "HF_ENDPOINT"
TOKEN: Final = "HF_TOKEN"  # noqa: S105 - the key of a Secret, not a token

_FIELD: Final = "spec.release.from.huggingFace"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


async def commit_of(asker: Asker, hub: str, spec: HuggingFaceRevision) -> ResolvedModel:
    """The commit, which is the version. `hub` is the address where the Secret names no other. Raises RegistryError."""
    endpoint = asker.secret.get(ENDPOINT, "").strip().rstrip("/") or hub
    url = f"{endpoint}/api/models/{spec.repository}/revision/{quote(spec.revision, safe='')}"
    token = asker.secret.get(TOKEN, "").strip()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = await asker.ask(url, f"{_FIELD}.repository", headers=headers, challenged=True)
    if answer.status == 401:  # what the hub says of a repository that is not there, too
        raise RegistryError(
            REFUSED,
            f"{_FIELD}.repository: the hub shows no {spec.repository}: check the name, or give a token of who may read "
            f"it as {TOKEN} in the Secret of spec.release.from.credentials",
        )
    if answer.status == 404:
        raise RegistryError(
            MISSING, f"{_FIELD}.revision: the hub has no {spec.repository} at {spec.revision}: check both names"
        )
    if not answer.ok:
        raise RegistryError(MALFORMED, f"{_FIELD}.repository: the hub answered HTTP {answer.status}")
    commit = text_in(document_of(answer, f"{_FIELD}.repository", url), "sha", f"{_FIELD}.revision", longest=64)
    if not _COMMIT.fullmatch(commit):
        raise RegistryError(MALFORMED, f"{_FIELD}.revision: the hub names no commit: check {ENDPOINT}")
    return ResolvedModel(version=commit, uri=f"hf://{spec.repository}@{commit}")
