"""list, status, history and explain at a terminal, and what they exit with."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import yaml
from unit.cli.builders import (
    MINUTE,
    PROMOTED,
    ROLLED_BACK,
    Object,
    a_deployment,
    a_revision,
    ago,
    name_of,
    rolled_back_revision,
    stable_revision,
)
from unit.cli.conftest import Terminal

from slipway.cli import watching
from slipway.cli.exits import Exit
from slipway.cluster import DEPLOYMENT, MODEL_DEPLOYMENT, Forbidden, Invalid, Unauthorized, Unavailable

SHOP = ("--namespace", "shop")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE", 0.01)


def promote(terminal: Terminal) -> None:
    """Let the rollout come to its good end."""
    live = terminal.deployment
    generation = live["metadata"]["generation"]
    conditions = [condition | {"observedGeneration": generation} for condition in PROMOTED["conditions"]]
    terminal.cluster.put(live | {"status": PROMOTED | {"observedGeneration": generation, "conditions": conditions}})


def test_status_prints_a_tree_of_plain_lines_where_no_terminal_is(terminal: Terminal) -> None:
    terminal.shop()
    code, out, _ = terminal("status", "fraud", *SHOP)
    assert code == Exit.IN_PROGRESS
    assert out.splitlines()[0] == "fraud  on its way  (namespace shop, generation 1)"
    assert "gate errors  Continue" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("status", "revision", "code"),
    [
        (PROMOTED, a_revision("v2", "Stable"), Exit.DONE),
        (ROLLED_BACK, rolled_back_revision(), Exit.ROLLED_BACK),
    ],
)
def test_status_exits_with_how_it_stands(terminal: Terminal, status: Any, revision: Any, code: Exit) -> None:
    terminal.shop(stable_revision(), revision, status=status)
    assert terminal("status", "fraud", *SHOP)[0] == code


def test_an_object_that_is_not_there_has_a_code_of_its_own(terminal: Terminal) -> None:
    code, out, err = terminal("status", "fraud", *SHOP)
    assert (code, out) == (Exit.NOT_FOUND, "")
    assert err == "slipway: there is no ModelDeployment fraud in namespace shop\n"


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_status_as_data(terminal: Terminal, form: str, load: Any) -> None:
    terminal.shop()
    code, out, _ = terminal("status", "fraud", *SHOP, "--output", form)
    assert code == Exit.IN_PROGRESS
    assert load(out)["candidate"]["revision"] == name_of("v2")


def test_watching_tells_each_change_once_and_ends_with_the_end(terminal: Terminal) -> None:
    terminal.shop()
    looks = iter(range(100))

    def later(_: object) -> None:
        if next(looks) == 5:
            promote(terminal)

    _on_read(terminal, later)
    code, out, _ = terminal("status", "fraud", *SHOP, "--watch", "--timeout", "20s")
    assert code == Exit.DONE
    assert [line.split("  ", 1)[1] for line in out.splitlines()] == [
        "on its way  Stepping 50% (2/3)  release v2 takes 50% of the traffic and is judged on it",
        "promoted  Stable  release v2 serves all traffic, 2 of 2 pods ready",
    ]


def _on_read(terminal: Terminal, callback: Any) -> None:
    """Call back at every read of the ModelDeployment."""
    read = terminal.cluster.get

    async def get(*args: Any) -> Any:
        callback(args)
        return await read(*args)

    terminal.cluster.get = get  # type: ignore[method-assign]


def test_watching_as_data_is_a_document_for_each_change(terminal: Terminal) -> None:
    terminal.shop()
    looks = iter(range(100))
    _on_read(terminal, lambda _: promote(terminal) if next(looks) == 3 else None)
    code, out, _ = terminal("status", "fraud", *SHOP, "--watch", "-o", "json")
    assert code == Exit.DONE
    assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["IN_PROGRESS", "DONE"]


def test_watching_ends_when_its_time_is_over_and_says_where_it_was(terminal: Terminal) -> None:
    terminal.shop()
    code, _, err = terminal("status", "fraud", *SHOP, "--watch", "--timeout", "30ms")
    assert code == Exit.TIMED_OUT
    assert "was not at its end within 30ms: release v2 takes 50% of the traffic" in err


def test_watching_goes_on_when_the_cluster_cannot_be_reached_for_a_moment(terminal: Terminal) -> None:
    terminal.shop(stable_revision(), a_revision("v2", "Stable"), status=PROMOTED)
    for _ in range(3):
        terminal.cluster.fail_next("get", MODEL_DEPLOYMENT, Unavailable("get ModelDeployment: connection refused"))
    assert terminal("status", "fraud", *SHOP, "--watch", "--timeout", "20s")[0] == Exit.DONE


def test_watching_an_unreachable_cluster_times_out_with_the_reason(terminal: Terminal) -> None:
    for _ in range(1000):
        terminal.cluster.fail_next("get", MODEL_DEPLOYMENT, Unavailable("connection refused"))
    code, _, err = terminal("status", "fraud", *SHOP, "--watch", "--timeout", "30ms")
    assert (code, "connection refused" in err) == (Exit.TIMED_OUT, True)


def test_watching_ends_when_the_object_is_deleted(terminal: Terminal) -> None:
    terminal.shop()
    looks = iter(range(100))

    def later(_: object) -> None:
        if next(looks) == 3:
            terminal.cluster._records.clear()

    _on_read(terminal, later)
    assert terminal("status", "fraud", *SHOP, "--watch", "--timeout", "20s")[0] == Exit.NOT_FOUND


def test_an_answer_about_a_generation_that_was_replaced_says_so(terminal: Terminal) -> None:
    terminal.shop()
    live = terminal.deployment
    terminal.cluster.put(live | {"spec": live["spec"] | {"replicas": 3}})
    code, out, _ = terminal("status", "fraud", *SHOP, "--generation", "1", "--watch", "--timeout", "20s")
    assert code == Exit.REPLACED
    assert "generation 1 of fraud was replaced by generation 2" in out


def test_a_timeout_without_a_watch_is_a_wrong_command_line(terminal: Terminal) -> None:
    code, _, err = terminal("status", "fraud", "--timeout", "1m")
    assert code == Exit.USAGE
    assert "--timeout goes with --watch" in err


@pytest.mark.parametrize(
    "words", [("status", "fraud", "--watch", "--timeout", "soon"), ("status", "Fraud"), ("status", "..")]
)
def test_what_cannot_be_meant_is_refused_before_the_cluster_is_asked(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    assert terminal(*words)[0] == Exit.USAGE
    assert terminal.connections == []


def test_without_the_right_to_read_deployments_the_rest_is_shown(terminal: Terminal) -> None:
    terminal.shop()
    terminal.cluster.fail_next("list", DEPLOYMENT, Forbidden("list Deployment shop: 403"))
    code, out, _ = terminal("status", "fraud", *SHOP)
    assert code == Exit.IN_PROGRESS
    assert "1 pods ready" in out


@pytest.mark.parametrize(
    "error", [Unauthorized("no credentials"), Invalid("get: 400"), Unavailable("connection refused")]
)
def test_trouble_with_the_cluster_is_one_line_and_no_traceback(terminal: Terminal, error: Exception) -> None:
    terminal.cluster.fail_next("get", MODEL_DEPLOYMENT, error)
    assert terminal("status", "fraud", *SHOP) == (Exit.ERROR, "", f"slipway: {error}\n")


def test_a_cluster_without_the_crds_says_what_is_missing(terminal: Terminal) -> None:
    terminal.cluster.absent.add(MODEL_DEPLOYMENT)
    code, _, err = terminal("list", *SHOP)
    assert code == Exit.ERROR
    assert "Are the CRDs of Slipway installed" in err


# --- list, history, explain -----------------------------------------------------------------------------------------


def test_list_is_a_table_of_one_namespace(terminal: Terminal) -> None:
    terminal.shop()
    terminal.cluster.put(a_deployment(name="other", namespace="elsewhere"))
    code, out, _ = terminal("list", *SHOP)
    header, row = out.splitlines()
    assert code == 0
    assert header.split() == ["NAMESPACE", "NAME", "READY", "PHASE", "STABLE", "CANDIDATE", "PROGRESS", "REASON", "AGE"]
    assert row.split()[:6] == ["shop", "fraud", "False", "Stepping", "v1", "v2"]


def test_list_of_all_namespaces(terminal: Terminal) -> None:
    terminal.shop()
    terminal.cluster.put(a_deployment(name="other", namespace="elsewhere"))
    assert [line.split()[0] for line in terminal("list", "-A")[1].splitlines()[1:]] == ["elsewhere", "shop"]


def test_an_empty_namespace_says_so(terminal: Terminal) -> None:
    assert terminal("list", *SHOP)[1] == "There are no ModelDeployments in namespace shop.\n"


def test_history_lists_what_was_tried_the_latest_first(terminal: Terminal) -> None:
    def began(span: timedelta) -> Object:
        entry = {"time": ago(span), "phase": "Pending", "reason": "RevisionRetried", "message": "declared again"}
        return {"timeline": [entry]}

    rolled_back = a_revision("v2", "RolledBack", reason="AnalysisFailed", message="+30.00pp", **began(2 * MINUTE))
    terminal.shop(stable_revision(**began(MINUTE)), rolled_back, status=ROLLED_BACK)
    rows = [line.split() for line in terminal("history", "fraud", *SHOP)[1].splitlines()[1:]]
    assert [row[1:4] for row in rows] == [["v1", "stable", "Stable"], ["v2", "candidate", "RolledBack"]]
    assert "+30.00pp" in terminal("history", "fraud", *SHOP)[1]


def test_explain_prints_why_and_what_to_do(terminal: Terminal) -> None:
    terminal.shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK)
    code, out, _ = terminal("explain", "fraud", *SHOP)
    assert code == 0
    for words in ("Where it is", "Why", "AnalysisFailed: errors: +30.00pp", "What you can do", "slipway retry fraud"):
        assert words in out


# --- which cluster, which namespace ---------------------------------------------------------------------------------


def test_the_namespace_is_the_option_s_then_the_environment_s_then_the_kubeconfig_s_then_the_default(
    terminal: Terminal,
) -> None:
    def asked(*words: str, **environment: str) -> str:
        return terminal("status", "fraud", *words, **environment)[2].split()[-1]

    assert asked() == "default"
    terminal.namespace = "configured"
    assert asked() == "configured"
    assert asked(SLIPWAY_NAMESPACE="environment") == "environment"
    assert asked("-n", "given", SLIPWAY_NAMESPACE="environment") == "given"


def test_what_is_written_belongs_to_the_command_and_not_to_the_operator(terminal: Terminal) -> None:
    terminal("list")
    assert [how["field_manager"] for how in terminal.connections] == ["slipway-cli"]


def test_kubeconfig_and_context_reach_the_connection(terminal: Terminal) -> None:
    terminal("list", "--kubeconfig", "a.yaml", "--context", "there")
    terminal("list", KUBECONFIG="b.yaml", SLIPWAY_CONTEXT="elsewhere")
    assert [(how["kubeconfig"], how["context"]) for how in terminal.connections] == [
        ("a.yaml", "there"),
        ("b.yaml", "elsewhere"),
    ]
