"""Jobs and CronJobs."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from slipway_sandbox.apiserver.errors import INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.pod_warnings import pod_warnings
from slipway_sandbox.apiserver.kinds.podspec import default_template, fill
from slipway_sandbox.apiserver.kinds.templates import immutable, negative, validate_label_selector, validate_template
from slipway_sandbox.apiserver.selectors import from_label_selector

_RESTART = ("OnFailure", "Never")
_MACROS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_BOUNDS = (
    (0, 59, ""),
    (0, 23, ""),
    (1, 31, ""),
    (1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
    (0, 6, "sun mon tue wed thu fri sat"),
)
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
        found = spec.get("selector") or {}
        labels = {**(found.get("matchLabels") or {}), "batch.kubernetes.io/controller-uid": uid}
        spec["selector"] = {**found, "matchLabels": labels}

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """A job selects by its own uid, unless it is said that the user knows better."""
        spec = obj["spec"]
        if spec.get("manualSelector"):
            return []
        wanted = {"matchLabels": {"batch.kubernetes.io/controller-uid": obj["metadata"]["uid"]}}
        if spec["selector"] == wanted:
            return []
        return [FieldError(INVALID, "spec.selector", "`selector` not auto-generated", spec["selector"])]

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
        errors += _indexed_errors(spec) + _failure_policy_errors(spec)
        errors += _selector_errors(spec)
        return errors + validate_template(spec["template"], "spec.template", restart=_RESTART)

    def warn(self, obj: dict[str, Any]) -> list[str]:
        return pod_warnings(obj["spec"]["template"]["spec"], "spec.template.spec")

    def warn_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[str]:
        return self.warn(new) if self.spec_changed(new, old) else []

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


def _selector_errors(spec: dict[str, Any]) -> list[FieldError]:
    selector, labels = spec.get("selector") or {}, spec["template"].get("metadata", {}).get("labels") or {}
    errors = validate_label_selector(selector, "spec.selector")
    if not errors and not all(requirement.matches(labels) for requirement in from_label_selector(selector)):
        detail = "`selector` does not match template `labels`"
        errors.append(FieldError(INVALID, "spec.template.metadata.labels", detail, labels))
    return errors


def _indexed_errors(spec: dict[str, Any]) -> list[FieldError]:
    """What only jobs whose pods have numbers can have, and what these need."""
    indexed = spec.get("completionMode") == "Indexed"
    errors = []
    if indexed and spec.get("completions") is None:
        errors.append(FieldError(REQUIRED, "spec.completions", "when completion mode is Indexed"))
    per_index, most = spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes")
    if per_index is not None and not indexed:
        detail = "requires indexed completion mode"
        errors.append(FieldError(INVALID, "spec.backoffLimitPerIndex", detail, per_index))
    if most is not None and per_index is None:
        detail = "when maxFailedIndexes is specified"
        errors.append(FieldError(REQUIRED, "spec.backoffLimitPerIndex", detail))
    if most is not None and spec.get("completions") is not None and most > spec["completions"]:
        detail = "must be less than or equal to completions"
        errors.append(FieldError(INVALID, "spec.maxFailedIndexes", detail, most))
    if spec.get("successPolicy") is not None and not indexed:
        detail = "requires indexed completion mode"
        errors.append(FieldError(INVALID, "spec.successPolicy", detail, spec["successPolicy"]))
    return errors


def _failure_policy_errors(spec: dict[str, Any]) -> list[FieldError]:
    policy = spec.get("podFailurePolicy")
    if policy is None:
        return []
    errors = []
    restart = spec["template"]["spec"].get("restartPolicy")
    if restart != "Never":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(FieldError(INVALID, "spec.template.spec.restartPolicy", detail, restart))
    for index, rule in enumerate(policy.get("rules") or ()):
        here, action = f"spec.podFailurePolicy.rules[{index}]", rule.get("action")
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
        if not action:
            errors.append(
                FieldError(REQUIRED, f"{here}.action", 'valid values: "Count", "FailIndex", "FailJob", "Ignore"')
            )
        elif action not in {"Count", "FailIndex", "FailJob", "Ignore"}:
            detail = 'supported values: "Count", "FailIndex", "FailJob", "Ignore"'
            errors.append(FieldError(NOT_SUPPORTED, f"{here}.action", detail, action))
        elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            detail = "requires the backoffLimitPerIndex to be set"
            errors.append(FieldError(INVALID, f"{here}.action", detail, action))
        if codes is not None and conditions:
            detail = "specifying both OnExitCodes and OnPodConditions is not supported"
            errors.append(FieldError(INVALID, here, detail, "onExitCodes and onPodConditions"))
        elif codes is None and not conditions:
            detail = "specifying one of OnExitCodes and OnPodConditions is required"
            errors.append(FieldError(INVALID, here, detail, ""))
        if codes is not None and not codes.get("values"):
            detail = "at least one value is required"
            errors.append(FieldError(INVALID, f"{here}.onExitCodes.values", detail, codes.get("values")))
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
            errors.append(FieldError(NOT_SUPPORTED, "spec.jobTemplate.spec.manualSelector", "", True))
        if spec["jobTemplate"]["spec"].get("selector") is not None:
            path, detail = "spec.jobTemplate.spec.selector", "`selector` will be auto-generated"
            errors.append(FieldError(INVALID, path, detail, spec["jobTemplate"]["spec"]["selector"]))
        zone = spec.get("timeZone")
        if zone is not None and _zone_problem(zone):
            errors.append(FieldError(INVALID, "spec.timeZone", _zone_problem(zone), zone))
        template = spec["jobTemplate"]["spec"]["template"]
        return errors + validate_template(template, "spec.jobTemplate.spec.template", restart=_RESTART)

    def warn(self, obj: dict[str, Any]) -> list[str]:
        template = obj["spec"]["jobTemplate"]["spec"]["template"]
        return pod_warnings(template["spec"], "spec.jobTemplate.spec.template.spec")

    def warn_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[str]:
        return self.warn(new) if self.spec_changed(new, old) else []


def _schedule_problem(schedule: str) -> str:
    if schedule in _MACROS or re.fullmatch(r"@every \S+", schedule):
        return ""
    if schedule.startswith(("TZ", "CRON_TZ")):
        return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    parts = schedule.split()
    if len(parts) != 5:
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    for part, bounds in zip(parts, _BOUNDS, strict=True):
        if not _FIELD.fullmatch(part):
            return f"failed to parse {part}"
        for piece in part.split(","):
            problem = _piece_problem(piece, *bounds)
            if problem:
                return problem
    return ""


def _piece_problem(piece: str, low: int, high: int, words: str) -> str:
    """What is wrong with one range of a schedule."""
    span, _, step = piece.partition("/")
    if step == "0":
        return f"step of range should be a positive number: {piece}"
    if span in {"*", "?"}:
        return ""
    ends = []
    for text in span.split("-"):
        if text.isdigit():
            ends.append(int(text))
        elif text.lower() in words.split():
            ends.append(words.split().index(text.lower()) + low)
        else:
            return f"failed to parse int from {text}"
    if min(ends) < low:
        return f"beginning of range ({ends[0]}) below minimum ({low}): {span}"
    if max(ends) > high:
        return f"end of range ({ends[-1]}) above maximum ({high}): {span}"
    if ends[0] > ends[-1]:
        return f"beginning of range ({ends[0]}) beyond end of range ({ends[-1]}): {span}"
    return ""


def _zone_problem(zone: str) -> str:
    if not zone:
        return "timeZone must be nil or non-empty string"
    if zone.lower() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {zone}"
    return ""
