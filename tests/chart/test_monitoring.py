"""Alerts and the dashboard: each alert fires and rests when it should, and all ask for metrics that exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart.kit import ROOT, Chart, of_kind
from unit.metrics.prometheus_binary import binary

from slipway.api import Phase
from slipway.rollout.status import HOLDING

ON = {"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}, "crds": {"enabled": False}}
RUNBOOKS = ROOT / "docs" / "runbooks"
FRAUD = 'namespace="ml",name="fraud"'
LEADS = 'leader_election_master_status{name="rel-slipway",pod="a"}'

CASES: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    # What Prometheus sees, what must be seen for it to rest, and after how long the first fires.
    "SlipwayDown": ({}, {LEADS: "1x30"}, "6m"),
    "SlipwayNoLeader": ({LEADS: "0x30"}, {LEADS: "0x30", LEADS.replace('"a"', '"b"'): "1x30"}, "6m"),
    "SlipwayLooksFail": (
        {
            'controller_runtime_reconcile_errors_total{controller="modeldeployment"}': "0+2x60",
            'controller_runtime_reconcile_total{controller="modeldeployment",result="error"}': "0+2x60",
            'controller_runtime_reconcile_total{controller="modeldeployment",result="success"}': "0+8x60",
        },
        {
            'controller_runtime_reconcile_errors_total{controller="modeldeployment"}': "0+1x60",
            'controller_runtime_reconcile_total{controller="modeldeployment",result="success"}': "0+99x60",
        },
        "30m",
    ),
    "SlipwayDefect": (
        {'controller_runtime_reconcile_panics_total{controller="modeldeployment"}': "0x5 1x30"},
        {'controller_runtime_reconcile_panics_total{controller="modeldeployment"}': "1x30"},
        "10m",
    ),
    "SlipwayQueueStuck": (
        # A look that began at the beginning: the kubelet starts the process anew after 6 minutes.
        {'workqueue_longest_running_processor_seconds{name="modeldeployment"}': "0+60x30"},
        {'workqueue_longest_running_processor_seconds{name="modeldeployment"}': "60x30"},
        "4m",
    ),
    "SlipwayRolloutStuck": (
        {f'slipway_modeldeployment_phase{{{FRAUD},phase="Stepping"}}': "1x2000"},
        {f'slipway_modeldeployment_phase{{{FRAUD},phase="Stable"}}': "1x2000"},
        "25h",
    ),
    "SlipwayRolledBack": (
        {f'slipway_modeldeployment_phase{{{FRAUD},phase="RolledBack"}}': "1x30"},
        {f'slipway_modeldeployment_phase{{{FRAUD},phase="Paused"}}': "1x30"},
        "1m",
    ),
    "SlipwayMetricWithoutAnswer": (
        {f'slipway_metric_verdict{{{FRAUD},metric="errors",verdict="NoData"}}': "1x60"},
        {f'slipway_metric_verdict{{{FRAUD},metric="errors",verdict="Continue"}}': "1x60"},
        "16m",
    ),
    "SlipwayRouteNotFollowed": (
        {
            f'slipway_weight_desired_ratio{{{FRAUD},role="candidate"}}': "0x60",
            f'slipway_weight_observed_ratio{{{FRAUD},role="candidate"}}': "0.1x60",
        },
        {
            f'slipway_weight_desired_ratio{{{FRAUD},role="candidate"}}': "0.1x60",
            f'slipway_weight_observed_ratio{{{FRAUD},role="candidate"}}': "0.1x60",
        },
        "11m",
    ),
    "SlipwayNothingServes": (
        {f"slipway_modeldeployment_available{{{FRAUD}}}": "0x30"},
        {f"slipway_modeldeployment_available{{{FRAUD}}}": "1x30"},
        "3m",
    ),
    "SlipwayDrifted": (
        {f"slipway_modeldeployment_drifted{{{FRAUD}}}": "1x30"},
        {f"slipway_modeldeployment_drifted{{{FRAUD}}}": "0x30"},
        "1m",
    ),
}


def rules_of(chart: Chart) -> list[dict[str, Any]]:
    [rule] = of_kind(chart.objects(ON), "PrometheusRule")
    rules: list[dict[str, Any]] = rule["spec"]["groups"][0]["rules"]
    return rules


def test_every_alert_has_a_case_here_and_a_runbook_of_its_name(chart: Chart) -> None:
    alerts = {rule["alert"]: rule for rule in rules_of(chart)}
    assert sorted(alerts) == sorted(CASES)
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == sorted(alerts)
    for name, rule in alerts.items():
        assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
        assert {"summary", "description"} < rule["annotations"].keys()
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_an_alert_can_be_left_out_and_all_can_be_labelled(chart: Chart) -> None:
    values = {"enabled": True, "disabled": ["SlipwayRolledBack"], "alertLabels": {"team": "ml"}, "stuckAfter": "2h"}
    [rule] = of_kind(chart.objects({"metrics": {"prometheusRule": values}}), "PrometheusRule")
    rules = {found["alert"]: found for found in rule["spec"]["groups"][0]["rules"]}
    assert set(CASES) - rules.keys() == {"SlipwayRolledBack"}
    assert all(found["labels"]["team"] == "ml" for found in rules.values())
    assert rules["SlipwayRolloutStuck"]["for"] == "2h"


def test_alerts_and_dashboard_ask_for_metrics_that_the_operator_tells(chart: Chart) -> None:
    told = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
    [dashboard] = [
        obj for obj in of_kind(chart.objects(ON), "ConfigMap") if obj["metadata"]["name"].endswith("-dashboard")
    ]
    panels = json.loads(dashboard["data"]["slipway.json"])["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    asked += [rule["expr"] for rule in rules_of(chart)]
    names = {
        name for text in asked for name in re.findall(r"\b(?:slipway|workqueue|controller_runtime|leader)_\w+", text)
    }
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in names} <= told


def test_a_rollout_can_be_stuck_in_each_phase_that_something_else_should_follow_on(chart: Chart) -> None:
    [stuck] = [rule["expr"] for rule in rules_of(chart) if rule["alert"] == "SlipwayRolloutStuck"]
    [listed] = re.findall(r'phase=~"(.*?)"', stuck)
    ends = {Phase.WATCHING, Phase.STABLE, Phase.ROLLED_BACK, Phase.SUPERSEDED}
    assert sorted(listed.split("|")) == sorted({*Phase, HOLDING} - ends)


@pytest.mark.e2e
def test_each_alert_fires_when_it_should_and_rests_when_it_should(chart: Chart, tmp_path: Path) -> None:
    promtool = binary("promtool")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "slipway", "rules": rules_of(chart)}]}))
    tests = []
    for alert, (bad, good, after) in CASES.items():
        for seen, fires in ((bad, True), (good, False)):
            series = [{"series": name, "values": values} for name, values in seen.items()]
            firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
            expected = [{"labels": "{}", "value": 1}] if fires else []
            case = {"expr": firing, "eval_time": after, "exp_samples": expected}
            tests.append(
                {"name": f"{alert} {fires}", "interval": "1m", "input_series": series, "promql_expr_test": [case]}
            )
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "tests.yaml"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
