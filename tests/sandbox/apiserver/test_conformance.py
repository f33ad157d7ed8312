"""The recorded answers of a real kube-apiserver: what the server reproduces of them may only grow.

Left out are the cases that wait for controllers or a node; those are not part of the API server.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from slipway_sandbox.apiserver import ApiServer
from slipway_sandbox.gatewayapi import crds

KIT = Path(__file__).parents[3].parent / "shared" / "conformance"

REACHED = {
    "access": 3, "builtins": 15, "cel": 8, "clients": 8, "concurrency": 5, "crd": 16, "discovery": 11, "errors": 7,
    "fieldvalidation": 3, "gateway": 3, "lists": 8, "objects": 11, "openapi": 6, "patch": 6, "schema": 13, "ssa": 26, "watch": 16,  # noqa: E501
}  # fmt: skip
"""Cases per topic that pass without controllers."""


@pytest.mark.skipif(not KIT.is_dir(), reason="the recorded transcripts are not on this machine")
@pytest.mark.timeout(150)
async def test_the_score_of_no_topic_falls(server: ApiServer, tmp_path: Path) -> None:
    definitions, results = tmp_path / "gateway.json", tmp_path / "results.json"
    definitions.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": crds()}))
    topics = [argument for topic in REACHED for argument in ("--topic", topic)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(KIT / "replay.py"), server.url, "--cases", str(KIT / "cases_public.py"),
        "--transcripts", str(KIT / "transcripts_public.json"), "--crd-file", str(definitions), "--jobs", "8", "--quiet",
        "--json", str(results), *topics, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    output, _ = await process.communicate()
    found = json.loads(results.read_text())
    passed = dict.fromkeys(REACHED, 0)
    for result in found.values():
        passed[result["topic"]] += bool(result["pass"])
    fallen = {topic: (passed[topic], least) for topic, least in REACHED.items() if passed[topic] < least}
    assert not fallen, output.decode()
