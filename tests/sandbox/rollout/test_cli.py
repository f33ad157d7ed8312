"""The command line against a rollout with live requests: what a person and a pipeline get to see and to say."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from sandbox.rollout.kit import NAME, Shop, a_release

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

SLIPWAY = Path(sys.executable).with_name("slipway")
LONG = {"steps": [{"weight": 30, "minDuration": "10m"}, {"weight": 60, "approval": "Required"}, {"weight": 100}]}
"""A first step that only a person ends, and a second one that a person has to approve."""

PROMOTED, ROLLED_BACK, WAITS, TIMED_OUT, IN_PROGRESS, REFUSED = 0, 3, 4, 5, 7, 9


async def slipway(shop: Shop, *words: str) -> tuple[int, str]:
    """Run the command about the shop's ModelDeployment: the exit code, and all that it printed."""
    where = [f"--namespace={shop.namespace}", f"--kubeconfig={shop.stage.sandbox.kubeconfig_path}"]
    process = await asyncio.create_subprocess_exec(
        str(SLIPWAY), *words, *where, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 180)
    return process.returncode or 0, out.decode()


async def said(shop: Shop, *words: str) -> str:
    """A verb that the operator accepts; what it printed."""
    code, out = await slipway(shop, *words)
    assert (code, "Accepted" in out) == (0, True), out
    return out


def on_the_ladder(**spec: Any) -> Any:
    """v2 on a ladder that waits for a person twice."""
    manifest = a_release("v2", **spec)
    manifest["spec"]["strategy"] = {"canary": LONG}
    return manifest


async def test_a_pipeline_waits_for_its_own_change_and_its_exit_code_says_what_became_of_it(shop: Shop) -> None:
    await shop.apply(a_release("v2"))
    generation = shop.deployment["metadata"]["generation"]
    shown = await shop.kubectl("get", "mdep", NAME, "-o", "jsonpath={.metadata.generation}")
    code, out = await slipway(shop, "status", NAME, "--watch", "--timeout", "120s", "--generation", shown)
    assert code == PROMOTED, out
    assert re.search(r"promoted  Stable .*release v2 serves all traffic", out.splitlines()[-1])
    assert int(shown) >= generation
    assert (await slipway(shop, "history", NAME))[1].splitlines()[1].split()[1:4] == ["v2", "stable", "Stable"]
    assert shop.lost == []


async def test_a_person_leads_a_rollout_through(shop: Shop) -> None:
    await shop.apply(on_the_ladder())
    await shop.until_served_by("v2")
    code, out = await slipway(shop, "status", NAME, "--output", "json")
    told = json.loads(out)
    assert (code, told["candidate"]["step"], told["candidate"]["steps"]) == (IN_PROGRESS, 1, 3)
    assert {gate["name"] for gate in told["candidate"]["gates"]} == {"accuracy", "errors"}

    await said(shop, "pause", NAME)
    code, out = await slipway(shop, "status", NAME)
    assert (code, "paused by a person" in out) == (WAITS, True), out
    await said(shop, "resume", NAME)

    code, out = await slipway(shop, "approve", NAME)
    assert (code, "step 1" in out) == (REFUSED, True), out
    assert "/1#" in await said(shop, "promote", NAME)
    code, out = await slipway(shop, "status", NAME, "--watch", "--timeout", "120s")
    assert code == WAITS, out
    assert "/2#" in await said(shop, "approve", NAME)
    await shop.until_ready("v2")

    code, page = await slipway(shop, "report", NAME, "-o", "-")
    assert (code, page.count("<svg")) == (0, 5), "the weight, and two charts for each of two metrics"
    for told in ("a person paused release v2", "a person approved what follows step 2", "promoted", "30 % at"):
        assert told in page
    assert shop.lost == []


async def test_a_settled_release_is_taken_back_by_declaring_the_one_before(shop: Shop) -> None:
    await shop.apply(a_release("v2"))
    await shop.until_ready("v2")
    code, out = await slipway(shop, "undo", NAME)
    assert (code, "The release before was v1" in out) == (0, True), out
    assert (await slipway(shop, "undo", NAME, "--apply"))[0] == 0
    await shop.until_ready("v1")
    assert shop.lost == []


async def test_what_a_person_aborts_is_rolled_back_and_can_be_tried_again(shop: Shop) -> None:
    await shop.apply(on_the_ladder())
    await shop.until_served_by("v2")
    await said(shop, "abort", NAME)
    code, out = await slipway(shop, "status", NAME, "--watch", "--timeout", "120s")
    assert code == ROLLED_BACK, out
    assert "slipway retry fraud" in (await slipway(shop, "explain", NAME))[1]
    await said(shop, "retry", NAME)
    await shop.until_served_by("v2")
    assert shop.record("v2")["attempt"] == 2
    await said(shop, "promote", NAME, "--full")
    await shop.until_ready("v2")
    assert shop.lost == []


async def test_without_an_operator_a_command_is_written_and_the_wait_for_it_ends(shop: Shop) -> None:
    await shop.apply(on_the_ladder())
    await shop.until_served_by("v2")
    await shop.stage.operator.stop()
    try:
        code, out = await slipway(shop, "abort", NAME, "--timeout", "1s")
        assert (code, "is the operator running?" in out) == (TIMED_OUT, True), out
        assert "not answered yet" in (await slipway(shop, "status", NAME))[1]
    finally:
        await shop.stage.operator.start()
    code, out = await slipway(shop, "status", NAME, "--watch", "--timeout", "120s")
    assert code == ROLLED_BACK, out
    assert shop.lost == []


async def test_diff_tells_beforehand_what_an_apply_then_does(shop: Shop, tmp_path: Path) -> None:
    live = shop.deployment
    manifest = {key: live[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": NAME}}
    path = tmp_path / "fraud.json"
    path.write_text(json.dumps(manifest))
    assert "nothing changes" in (await slipway(shop, "diff", "-f", str(path)))[1]
    manifest["spec"] = manifest["spec"] | {"release": a_release("v2")["spec"]["release"]}
    path.write_text(json.dumps(manifest))
    code, out = await slipway(shop, "diff", "-f", str(path))
    foretold = re.search(r"new revision (\S+): release v2", out)
    assert (code, foretold is not None) == (0, True), out
    await shop.kubectl("apply", "-f", str(path))
    await shop.until("the revision that was foretold", lambda: bool(shop.revision("v2")))
    assert foretold is not None
    assert shop.service("v2") == foretold[1]
