"""What an API server and the operator would refuse in a manifest, found without either. Pure.

In the order in which they would say it: the schema of the CRD, its CEL rules, what the models read, and what makes no
sense together. Each problem names the field and what to write instead. A rule is looked at only where everything below
it fits the schema, as on a server.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jsonschema import Draft4Validator
from jsonschema.validators import extend
from pydantic import ValidationError

from slipway.api import API_VERSION, GROUP, MODEL_DEPLOYMENT_KIND, ModelDeployment, ModelDeploymentSpec, Traffic
from slipway.api.common import DNS_LABEL, DNS_SUBDOMAIN, DURATION_PATTERN
from slipway.api.container import QUANTITY_PATTERN
from slipway.api.crd import Schema, definitions
from slipway.cli.ground import ground_problem
from slipway.cli.manifests import FieldPath, Manifest
from slipway.cli.rules import TRANSITION, predicate
from slipway.cli.runtimes import (
    KINDS,
    metrics_problem,
    release_problem,
    runtime_problem,
    runtimes_among,
    warming_problem,
)
from slipway.rollout import course_of, needs
from slipway.rollout import problems as nonsense
from slipway.traffic import PlanError, gateway_features, router_of

_HINTS: Final = {
    DURATION_PATTERN: "write a duration like 90s, 10m or 1h30m",
    DNS_LABEL: "lower-case letters, digits and dashes only, at most 63 characters",
    DNS_SUBDOMAIN: "lower-case letters, digits, dashes and dots only",
    QUANTITY_PATTERN: "write a quantity like 500m, 2 or 4Gi",
    "^/": "begin it with a slash",
}
"""What to write, for patterns that say little to most readers."""

_ABLE_CLASS: Final = {
    "spec": {"controllerName": "traefik.io/gateway-controller"},
    "status": {
        "supportedFeatures": [{"name": "HTTPRouteRequestMirror"}, {"name": "HTTPRouteRequestPercentageMirror"}],
    },
}
"""A GatewayClass that can do whatever one can: which one a cluster has is not known here."""

_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a block of fields",
    "array": "a list",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a field, and what to do."""

    path: FieldPath
    message: str

    @property
    def field(self) -> str:
        """The field as people write it: ``spec.strategy.canary.steps[1].weight``."""
        return dotted(self.path)


def dotted(path: FieldPath) -> str:
    """A path as people write it."""
    out = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return out.removeprefix(".") or "the object"


def concerns(document: Mapping[str, Any]) -> bool:
    """Whether an object is one of Slipway's."""
    return str(document.get("apiVersion", "")).partition("/")[0] == GROUP


def problems(manifest: Manifest, beside: Sequence[Manifest] = ()) -> list[Problem]:
    """Everything that is wrong with an object of Slipway's, in the order of its lines.

    Of the objects `beside` it, runtimes are tried on releases, and other ModelDeployments may want the same requests.
    """
    repeated = (Problem(path, "the key is given twice: leave one of them out") for path in manifest.repeated)
    found = [*repeated, *_problems(manifest.document, beside)]
    return sorted(found, key=lambda problem: manifest.line_of(problem.path))


def _problems(document: Mapping[str, Any], beside: Sequence[Manifest]) -> list[Problem]:
    schemas = _schemas()
    kind = str(document.get("kind"))
    if document.get("apiVersion") != API_VERSION or kind not in schemas:
        known = ", ".join(schemas)
        message = f"{document.get('apiVersion')} {kind} is not served: write {API_VERSION} and one of {known}"
        return [Problem(("apiVersion",), message)]
    served = _stored({key: value for key, value in document.items() if key != "status"})
    strange = list(_no_numbers(served, ()))
    if strange:
        return strange
    misfits = list(_by_schema(schemas[kind], served))
    broken = [problem.path for problem in misfits]
    found = [*misfits, *_repeated(schemas[kind], served, ()), *_by_rules(schemas[kind], served, (), broken)]
    if kind == MODEL_DEPLOYMENT_KIND and not found:
        found += _by_models(served, beside)
    if kind in KINDS and not found and (problem := runtime_problem(served)):
        found.append(_located(problem))
    return found


def _stored(value: Any) -> Any:
    """What a server makes of a value before it looks at it: members that are null are as good as absent."""
    if isinstance(value, Mapping):
        return {name: _stored(inner) for name, inner in value.items() if inner is not None}
    return [_stored(item) for item in value] if isinstance(value, list) else value


def _no_numbers(value: Any, path: FieldPath) -> Iterator[Problem]:
    """What YAML calls a number, and JSON cannot say."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, f"it is {value}, which is no number to an API server: write a finite one")
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in parts:
        yield from _no_numbers(inner, (*path, step))


@cache
def _schemas() -> Mapping[str, Schema]:
    """The schema of each kind."""
    return {
        crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for crd in definitions().values()
    }


# --- the schema -----------------------------------------------------------------------------------------------------


def _is_whole(_: object, value: object) -> bool:
    """JSON has one kind of number: ``2.0`` and ``1e3`` are whole ones too."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool)


_Validator: Final = extend(  # type: ignore[no-untyped-call]
    Draft4Validator, type_checker=Draft4Validator.TYPE_CHECKER.redefine("integer", _is_whole)
)
"""Of the draft in which exclusive bounds are booleans, as in a CRD's schema."""


def _strict(schema: Schema) -> Schema:
    """The JSON Schema of what a structural schema takes: what it does not know is refused, as by `kubectl apply`."""
    out = {key: value for key, value in schema.items() if not key.startswith("x-") and key != "default"}
    if schema.get("x-kubernetes-int-or-string"):
        out["type"] = ["integer", "string"]
    if "properties" in schema:
        out["properties"] = {name: _strict(inner) for name, inner in schema["properties"].items()}
        out["additionalProperties"] = False
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), Mapping):
            out[inner] = _strict(schema[inner])
    return out


def _by_schema(schema: Schema, document: Mapping[str, Any]) -> Iterator[Problem]:
    for error in _Validator(_strict(schema)).iter_errors(document):
        path: FieldPath = tuple(error.absolute_path)
        match error.validator:
            case "required":
                for name in error.validator_value:
                    if name not in error.instance:
                        yield Problem((*path, name), "it is missing: add it")
            case "additionalProperties":
                for name in set(error.instance) - set(error.schema["properties"]):
                    yield Problem((*path, str(name)), _unknown(str(name), error.schema["properties"]))
            case "minimum" | "maximum" as word:
                strictly = error.schema.get(f"exclusive{word.capitalize()}", False)
                yield Problem(path, _out_of_bounds(word, error.validator_value, error.instance, strictly=strictly))
            case word:
                yield Problem(path, _sentence(str(word), error.validator_value, error.instance))


def _unknown(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"there is no such field: did you mean {close[0]}?"
    return f"there is no such field here; there are {', '.join(known)}"


def _sentence(word: str, limit: Any, value: Any) -> str:
    """What a schema's word asks for, and what is there instead."""
    match word:
        case "type":
            wanted = " or ".join(_TYPES[name] for name in ([limit] if isinstance(limit, str) else limit))
            quotes = ": write it in quotes" if "text" in wanted and not isinstance(value, list | dict) else ""
            return f"it is {_said(value)}, and has to be {wanted}{quotes}"
        case "enum":
            close = difflib.get_close_matches(str(value), [str(choice) for choice in limit], n=1, cutoff=0.5)
            more = f": did you mean {close[0]}?" if close else ""
            return f"it is {_said(value)}, and has to be one of {', '.join(map(str, limit))}{more}"
        case "pattern":
            return f"{_said(value)} does not fit: {_HINTS.get(limit, f'it has to match {limit}')}"
        case "minLength" | "maxLength":
            return f"it has {len(value)} characters: write {_bound(word, limit)}"
        case "minItems" | "maxItems" | "maxProperties":
            return f"it has {len(value)} entries: write {_bound(word, limit)}"
    return f"{_said(value)} does not fit {word} {limit}"


def _out_of_bounds(word: str, limit: float, value: float, *, strictly: bool) -> str:
    if strictly:
        return f"it is {value:g}, and has to be {'more' if word == 'minimum' else 'less'} than {limit:g}"
    return f"it is {value:g}, and the {'least' if word == 'minimum' else 'most'} is {limit:g}"


def _bound(word: str, limit: int) -> str:
    return f"at {'least' if word.startswith('min') else 'most'} {limit}"


def _said(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a block of fields"
    if isinstance(value, list):
        return "a list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _repeated(schema: Schema, value: Any, path: FieldPath) -> Iterator[Problem]:
    """Items of a list that is a map, with the key of an earlier one."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys and isinstance(value, list):
        seen: set[str] = set()
        for index, item in enumerate(value):
            if isinstance(item, Mapping) and all(key in item for key in keys):
                named = ", ".join(f"{key} {item[key]}" for key in keys)
                if named in seen:
                    yield Problem((*path, index), f"there are two with {named}: give it another one")
                seen.add(named)
    for step, inner, below in _below(schema, value):
        yield from _repeated(inner, below, (*path, step))


def _below(schema: Schema, value: Any) -> Iterator[tuple[str | int, Schema, Any]]:
    """The parts of a value, with the schema of each."""
    if isinstance(value, Mapping):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            part = known.get(name, rest)
            if isinstance(part, Mapping):
                yield str(name), dict(part), inner
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield index, schema["items"], item


# --- the rules ------------------------------------------------------------------------------------------------------


def _by_rules(schema: Schema, value: Any, path: FieldPath, broken: Sequence[FieldPath]) -> Iterator[Problem]:
    for step, inner, below in _below(schema, value):
        yield from _by_rules(inner, below, (*path, step), broken)
    if any(wrong[: len(path)] == path for wrong in broken):
        return
    for rule in schema.get("x-kubernetes-validations", ()):
        if re.search(rf"\b{TRANSITION}\b", rule["rule"]):
            continue
        holds = predicate(rule["rule"])
        if holds is None:
            yield Problem(path, f"this rule can only be checked by an API server, not here: {rule['message']}")
        elif not holds(value):
            yield Problem(path, str(rule["message"]))


# --- the models and the sense ---------------------------------------------------------------------------------------


def _by_models(document: Mapping[str, Any], beside: Sequence[Manifest]) -> Iterator[Problem]:
    try:
        spec = ModelDeployment.model_validate({"spec": document["spec"]}).spec
    except ValidationError as error:
        for item in error.errors():
            yield Problem(tuple(item["loc"]), str(item["msg"]).removeprefix("Value error, "))
        return
    if spec.release.schemas is not None:
        from slipway.probes import schema_problem  # brings an HTTP client along, which few manifests are worth

        if problem := schema_problem(spec.release.schemas):
            yield _located(problem)
    namespace = (document.get("metadata") or {}).get("namespace")
    if unresolved := release_problem(spec.release, namespace, runtimes_among(beside)):
        yield _located(unresolved)
    told = (metrics_problem(spec, namespace, runtimes_among(beside)), warming_problem(spec))
    yield from (_located(sentence) for sentence in told if sentence is not None)
    if spec.release.delivery is not None:
        from slipway.controller.addresses import address_problem  # brings what fetches along

        if wrong := address_problem(spec.release, delivered=True):
            yield _located(wrong)
    if shared := ground_problem(spec.traffic.gateway, document, beside):
        yield _located(shared)
    yield from _by_sense(spec)


def _by_sense(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    """What the operator would hold because parts of the specification do not fit each other.

    What depends on the cluster, such as what a GatewayClass supports, is given the benefit of the doubt.
    """
    try:
        router, traffic = router_of(spec.traffic)
    except PlanError as error:
        yield _located(str(error))
        return
    able = router.capabilities(traffic=traffic, features=gateway_features([_ABLE_CLASS]))
    replicas = spec.autoscaling.min_replicas if spec.autoscaling else 1 if spec.replicas is None else spec.replicas
    course = course_of(spec.strategy, replicas=replicas, by_replicas=able.by_replicas)
    name = next(info.alias or field for field, info in Traffic.model_fields.items() if getattr(spec.traffic, field))
    for need in needs(spec, course):
        if not getattr(able, need.capability):
            yield _located(f"{need.field}: the router {name} {need.why}")
    for problem in nonsense(spec, course, replicas=replicas, resolution=able.resolution):
        yield _located(problem)


def _located(sentence: str) -> Problem:
    """A problem from a sentence that begins with its field, as the core writes them."""
    field, _, message = sentence.partition(": ")
    steps = re.findall(r"([^.\[\]]+)|\[(\d+)\]", field)
    return Problem(tuple(int(index) if index else name for name, index in steps), message)
