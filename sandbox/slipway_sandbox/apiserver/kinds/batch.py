"""Jobs and CronJobs."""

from __future__ import annotations

import re
from typing import Any

from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.podspec import default_template, fill
from slipway_sandbox.apiserver.kinds.templates import immutable, negative, validate_template

_RESTART = ("OnFailure", "Never")
_MACROS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_FIELD = re.compile(r"(\*|\?|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?(,(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?)*")


def default_job_spec(spec: dict[str, Any]) -> None:
    """The defaults of a job, without those that only a created job gets."""
    default_template(spec["template"])


class Jobs(Hooks):
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        default_job_spec(spec)
        if spec.get("completions") is None and spec.get("parallelism") is None:
            fill(spec, completions=1, parallelism=1)
        fill(spec, parallelism=1, backoffLimit=6, completionMode="NonIndexed", suspend=False, manualSelector=False,
             podReplacementPolicy="Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")  # fmt: skip
        labels = spec["template"]["metadata"].get("labels")
        if labels and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {}
        spec, uid, name = obj["spec"], obj["metadata"]["uid"], obj["metadata"].get("name", "")
        if spec.get("manualSelector"):
            return
        labels = {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }
        template = spec["template"]["metadata"]
        template["labels"] = {**(template.get("labels") or {}), **labels}
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(template["labels"])
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        errors = negative(
            spec, "parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"
        )
        if spec.get("manualSelector") and spec.get("selector") is None:
            errors.append(FieldError(REQUIRED, "spec.selector", ""))
        if spec.get("completionMode") not in {"NonIndexed", "Indexed", None}:
            errors.append(
                FieldError(
                    NOT_SUPPORTED,
                    "spec.completionMode",
                    'supported values: "Indexed", "NonIndexed"',
                    spec["completionMode"],
                )
            )
        return errors + validate_template(spec["template"], "spec.template", restart=_RESTART)

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        errors = immutable(
            new["spec"],
            old["spec"],
            "completions",
            "selector",
            "completionMode",
            "podFailurePolicy",
            "backoffLimitPerIndex",
        )
        fresh, before = dict(new["spec"]["template"]), dict(old["spec"]["template"])
        if old["spec"].get("suspend"):
            fresh, before = _loosened(fresh), _loosened(before)
        if fresh.get("spec") != before.get("spec"):
            errors.append(
                FieldError(INVALID, "spec.template.spec", "field is immutable", new["spec"]["template"].get("spec"))
            )
        elif fresh != before:
            errors.append(FieldError(INVALID, "spec.template", "field is immutable", new["spec"]["template"]))
        return errors


def _loosened(template: dict[str, Any]) -> dict[str, Any]:
    """What may not change even while a job is suspended: all but scheduling directives."""
    spec = {
        name: value
        for name, value in template.get("spec", {}).items()
        if name not in {"nodeSelector", "tolerations", "affinity", "schedulingGates"}
    }
    return {"spec": spec}


class CronJobs(Hooks):
    generation = True

    def name_rule(self, name: str) -> str:
        problem = super().name_rule(name)
        return problem or ("must be no more than 52 characters" if len(name) > 52 else "")

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        if not spec.get("concurrencyPolicy"):
            spec["concurrencyPolicy"] = "Allow"
        fill(spec, suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
        default_job_spec(spec["jobTemplate"]["spec"])

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {}

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        errors = []
        schedule = spec.get("schedule", "")
        if not schedule:
            errors.append(FieldError(REQUIRED, "spec.schedule", ""))
        elif _schedule_problem(schedule):
            errors.append(FieldError(INVALID, "spec.schedule", _schedule_problem(schedule), schedule))
        if spec["concurrencyPolicy"] not in {"Allow", "Forbid", "Replace"}:
            listed = 'supported values: "Allow", "Forbid", "Replace"'
            errors.append(FieldError(NOT_SUPPORTED, "spec.concurrencyPolicy", listed, spec["concurrencyPolicy"]))
        errors += negative(spec, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
        if spec["jobTemplate"]["spec"].get("manualSelector"):
            errors.append(FieldError(FORBIDDEN, "spec.jobTemplate.spec.manualSelector", "not supported"))
        template = spec["jobTemplate"]["spec"]["template"]
        return errors + validate_template(template, "spec.jobTemplate.spec.template", restart=_RESTART)


def _schedule_problem(schedule: str) -> str:
    if schedule in _MACROS or re.fullmatch(r"@every \S+", schedule):
        return ""
    if schedule.startswith(("TZ", "CRON_TZ")):
        return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    parts = schedule.split()
    if len(parts) != 5:
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    for part in parts:
        if not _FIELD.fullmatch(part):
            return f"failed to parse {part}"
    return ""
