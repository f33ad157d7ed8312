"""The CEL rules of the CRDs as Python predicates, for checks without an API server. Pure.

An API server evaluates the rules themselves; a laptop need not have a CEL engine. Each rule's text is a key here, so a
rule that was changed has no predicate until somebody looked at it again: a test asks for one for every rule, and
another holds each predicate against a CEL engine.
"""

from __future__ import annotations

# ruff: noqa: E501 - a rule is copied as it stands
import re
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, Final

from slipway.api import DEFAULT_PORT, parse_duration

Predicate = Callable[[Any], bool]

_EXACTLY_ONE: Final = re.compile(r"\[(?P<names>has\(self\.\w+\)(, has\(self\.\w+\))*)\]\.filter\(x, x\)\.size\(\) == 1")
"""The form in which every choice between blocks is written."""

TRANSITION: Final = "oldSelf"
"""A rule with this word compares with an earlier version, which a manifest does not have."""


def predicate(rule: str) -> Predicate | None:
    """The predicate of a rule; None for one that is not known here."""
    choice = _EXACTLY_ONE.fullmatch(rule)
    if choice is not None:
        return partial(_exactly_one, re.findall(r"self\.(\w+)", choice["names"]))
    return PREDICATES.get(rule)


def _exactly_one(names: list[str], value: Mapping[str, Any]) -> bool:
    return sum(name in value for name in names) == 1


def _two_decimals(value: float) -> bool:
    return abs(int(value * 100.0 + 0.001) - value * 100.0) < 0.001


def _probe_once(probe: str) -> Predicate:
    return lambda value: value.get(probe, {}).get("successThreshold", 1) == 1


def _ports_differ(value: Mapping[str, Any]) -> bool:
    names = [port["name"] for port in value.get("ports", []) if "name" in port]
    return len(names) == len(set(names))


def _rising(value: list[Mapping[str, Any]]) -> bool:
    weights = [step["weight"] for step in value]
    return all(lower < higher for lower, higher in pairwise(weights))


def _fitting_threshold(value: Mapping[str, Any]) -> bool:
    limit = "min" if _items(value) else "max"
    return "threshold" not in value or _number(value) or limit in value["threshold"]


def _items(value: Mapping[str, Any]) -> bool:
    return "goldenSet" in value or value.get("job", {}).get("result") == "Pairs"


def _latency(value: Mapping[str, Any]) -> bool:
    histograms = ("histogram" in value.get(source, {}) for source in ("pods", "prometheus"))
    named = (value.get(source, {}).get("measure") == "Latency" for source in ("gateway", "pods", "prometheus"))
    return any(named) or any(histograms)


def _number(value: Mapping[str, Any]) -> bool:
    fields = (("pods", "gauge"), ("prometheus", "query"), ("web", "value"))
    return any(field in value.get(source, {}) for source, field in fields)


def _share_limit(value: Mapping[str, Any]) -> bool:
    limits = [limit for name, limit in value.get("threshold", {}).items() if name in ("max", "min")]
    return _number(value) or all(0 < limit < 1 for limit in limits)


def _gates(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [value[gate] for gate in ("comparison", "nonInferiority") if gate in value]


def _one_reading(number: str, value: Mapping[str, Any]) -> bool:
    counters = [name in value for name in ("bad", "total")]
    named = [all(counters), *(name in value for name in ("histogram", number, "preset"))]
    return named.count(True) == 1 and counters[0] == counters[1]


def _one_reading_of_pods(value: Mapping[str, Any]) -> bool:
    counters = [name in value for name in ("bad", "total")]
    named = [all(counters), *(name in value for name in ("histogram", "gauge", "preset"))]
    return named.count(True) <= 1 and counters[0] == counters[1]


def _preset_to_be_had(value: Mapping[str, Any]) -> bool:
    release = value["release"]
    if "runtime" in release or "image" not in release.get("container", {}):
        return True
    sources = [metric["pods"] for metric in value.get("analysis", {}).get("metrics", []) if "pods" in metric]
    return all({"bad", "histogram", "gauge", "preset"} & source.keys() for source in sources)


def _counts_or_value(value: Mapping[str, Any]) -> bool:
    counts = [name in value for name in ("bad", "total")]
    return not any(counts) if "value" in value else all(counts)


_ITEMS: Final = "(has(self.goldenSet) || (has(self.job) && has(self.job.result) && self.job.result == 'Pairs'))"
_NUMBER: Final = "(has(self.pods) && has(self.pods.gauge)) || (has(self.prometheus) && has(self.prometheus.query)) || (has(self.web) && has(self.web.value))"
_LATENCY: Final = "(has(self.gateway) && has(self.gateway.measure) && self.gateway.measure == 'Latency') || (has(self.pods) && (has(self.pods.histogram) || (has(self.pods.measure) && self.pods.measure == 'Latency'))) || (has(self.prometheus) && (has(self.prometheus.histogram) || (has(self.prometheus.measure) && self.prometheus.measure == 'Latency')))"
"""Parts that several rules have."""


def _whole_or_percent(value: Any) -> bool:
    return bool(value >= 0) if isinstance(value, int) else re.search(r"^(100|[0-9]{1,2})%$", value) is not None


def _maturity(value: Mapping[str, Any]) -> bool:
    from slipway.api import parse_duration

    try:
        return 1 <= parse_duration(value["maturity"]).total_seconds() <= 720 * 3600
    except ValueError:
        return False  # an API server refuses what it cannot evaluate


def _surge(value: Mapping[str, Any]) -> bool:
    return bool(value.get("maxSurge", 1) > 0 or value.get("maxUnavailable", 0) > 0)


def _lasts(field: str, least: str, most: str) -> Predicate:
    """Whether a duration, where it is given, is within its bounds."""
    shortest, longest = parse_duration(least), parse_duration(most)
    return lambda it: field not in it or shortest <= parse_duration(it[field]) <= longest


def _name(value: Mapping[str, Any]) -> bool:
    name = (value.get("metadata") or {}).get("name")
    return isinstance(name, str) and len(name) <= 54 and re.search("^[a-z]([-a-z0-9]*[a-z0-9])?$", name) is not None


def _something_serves(value: Mapping[str, Any]) -> bool:
    return "runtime" in value or "format" in value["model"] or "image" in value.get("container", {})


def _automatic(value: Mapping[str, Any]) -> bool:
    return bool(value.get("from", {}).get("policy") == "Automatic")


def _own_ports(value: Mapping[str, Any]) -> bool:
    ahead = value.get("transformer", {}).get("container", {}).get("ports", [])
    return all(
        one["containerPort"] != other["containerPort"] and not ("name" in one and one["name"] == other.get("name"))
        for one in value.get("container", {}).get("ports", [])
        for other in ahead
    )


def _beside_8080(value: Mapping[str, Any]) -> bool:
    ahead = value.get("transformer", {}).get("container", {}).get("ports", [])
    container = value.get("container", {})
    silent = "runtime" not in value and "image" in container and "ports" not in container
    return not silent or all(port["containerPort"] != DEFAULT_PORT for port in ahead)


def _delivered(uri: str, *, matches: bool) -> Predicate:
    """Whether what is delivered has a URI that matches, or does not."""

    def holds(value: Mapping[str, Any]) -> bool:
        said = value["model"].get("uri")
        return "delivery" not in value or said is None or (re.search(uri, said) is not None) == matches

    return holds


def _adapters(pattern: str, *, matches: bool, field: str = "uri") -> Predicate:
    found = re.compile(pattern)
    return lambda it: all((found.search(one[field]) is not None) is matches for one in it.get("adapters", []))


PREDICATES: Final[Mapping[str, Predicate]] = {
    "!has(self.adapters) || has(self.delivery) || has(self.runtime) || !has(self.container) || !has(self.container.image)": (
        lambda it: (
            "adapters" not in it or bool({"delivery", "runtime"} & it.keys()) or "image" not in it.get("container", {})
        )
    ),
    "!has(self.adapters) || self.adapters.all(a, a.uri.matches('^((s3|gs|az|hf|http|https|oci|file)://|mlflow:)'))": (
        _adapters("^((s3|gs|az|hf|http|https|oci|file)://|mlflow:)", matches=True)
    ),
    "!has(self.adapters) || self.adapters.all(a, !a.uri.matches('^(s3|gs|az|http|https|oci|file)://[^/]*@'))": (
        _adapters("^(s3|gs|az|http|https|oci|file)://[^/]*@", matches=False)
    ),
    "!has(self.adapters) || self.adapters.all(a, !a.uri.matches('(?i)[?&](x-(amz|goog|ms)-|sig=|signature=|[^=&]*(token|secret|passw|credential|api[-_]?key)[^=&]*=)'))": (
        _adapters(
            "(?i)[?&](x-(amz|goog|ms)-|sig=|signature=|[^=&]*(token|secret|passw|credential|api[-_]?key)[^=&]*=)",
            matches=False,
        )
    ),
    "!has(self.adapters) || self.adapters.all(a, a.digest.startsWith('sha256:'))": _adapters(
        "^sha256:", matches=True, field="digest"
    ),
    "!has(self.model.alsoServes) || !(has(self.protocol) && self.protocol.name == 'MLflow')": lambda it: (
        "alsoServes" not in it["model"] or it.get("protocol", {}).get("name") != "MLflow"
    ),
    "!has(self.model.alsoServes) || !(self.model.name in self.model.alsoServes)": lambda it: (
        it["model"]["name"] not in it["model"].get("alsoServes", [])
    ),
    "!has(self.transformer) || !has(self.container) || !has(self.container.ports) || self.container.ports.all(p, self.transformer.container.ports.all(q, p.containerPort != q.containerPort && !(has(p.name) && has(q.name) && p.name == q.name)))": (
        _own_ports
    ),
    "!has(self.transformer) || has(self.runtime) || !has(self.container) || !has(self.container.image) || has(self.container.ports) || self.transformer.container.ports.all(p, p.containerPort != 8080)": (
        _beside_8080
    ),
    "has(self.model.version) || (has(self.from) && has(self.from.policy) && self.from.policy == 'Automatic')": (
        lambda it: "version" in it["model"] or _automatic(it)
    ),
    "!(has(self.from) && has(self.from.policy) && self.from.policy == 'Automatic') || !(has(self.model.version) || has(self.model.uri) || has(self.model.digest))": (
        lambda it: not _automatic(it) or not {"version", "uri", "digest"} & it["model"].keys()
    ),
    "!has(self.interval) || (duration(self.interval) >= duration('30s') && duration(self.interval) <= duration('24h'))": (
        _lasts("interval", "30s", "24h")
    ),
    "!has(self.writeBack) || has(self.mlflow)": lambda it: "writeBack" not in it or "mlflow" in it,
    "!has(self.writeBack) || !has(self.writeBack.alias) || !has(self.mlflow) || self.writeBack.alias != self.mlflow.alias": (
        lambda it: "mlflow" not in it or it.get("writeBack", {}).get("alias") != it["mlflow"]["alias"]
    ),
    "has(self.alias) || has(self.tag)": lambda it: "alias" in it or "tag" in it,
    "has(self.identity) == has(self.identityProvider)": lambda it: ("identity" in it) == ("identityProvider" in it),
    "has(self.signature) || has(self.attestation)": lambda it: "signature" in it or "attestation" in it,
    "!has(self.verification) || has(self.delivery) || has(self.runtime) || has(self.model.format)": lambda it: (
        "verification" not in it or "delivery" in it or "runtime" in it or "format" in it["model"]
    ),
    "!has(self.delivery) || has(self.model.uri) || has(self.from)": lambda it: (
        "delivery" not in it or "uri" in it["model"] or "from" in it
    ),
    "!has(self.delivery) || !has(self.model.uri) || self.model.uri.matches('^((s3|gs|az|hf|http|https|oci|pvc|file)://|mlflow:)')": (
        _delivered("^((s3|gs|az|hf|http|https|oci|pvc|file)://|mlflow:)", matches=True)
    ),
    "!has(self.delivery) || !has(self.model.uri) || !self.model.uri.matches('^(s3|gs|az|http|https|oci|pvc|file)://[^/]*@')": (
        _delivered("^(s3|gs|az|http|https|oci|pvc|file)://[^/]*@", matches=False)
    ),
    "!has(self.delivery) || !has(self.model.uri) || !self.model.uri.matches('(?i)[?&](x-(amz|goog|ms)-|sig=|signature=|[^=&]*(token|secret|passw|credential|api[-_]?key)[^=&]*=)')": (
        _delivered(
            "(?i)[?&](x-(amz|goog|ms)-|sig=|signature=|[^=&]*(token|secret|passw|credential|api[-_]?key)[^=&]*=)",
            matches=False,
        )
    ),
    "!has(self.delivery) || !has(self.delivery.imageVolume) || !self.delivery.imageVolume || !has(self.model.uri) || self.model.uri.matches('^oci://[^@]+@sha256:[a-f0-9]{64}$')": (
        lambda it: (
            not it.get("delivery", {}).get("imageVolume")
            or "uri" not in it["model"]
            or re.search("^oci://[^@]+@sha256:[a-f0-9]{64}$", it["model"]["uri"]) is not None
        )
    ),
    "!has(self.imageVolume) || !self.imageVolume || !(has(self.credentials) || has(self.cache) || has(self.extract))": (
        lambda it: not it.get("imageVolume") or not {"credentials", "cache", "extract"} & it.keys()
    ),
    "!has(self.delivery) || !has(self.model.digest) || self.model.digest.startsWith('sha256:')": lambda it: (
        "delivery" not in it or it["model"].get("digest", "sha256:").startswith("sha256:")
    ),
    "has(self.runtime) || has(self.model.format) || (has(self.container) && has(self.container.image))": (
        _something_serves
    ),
    "self.metadata.name.size() <= 54 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')": _name,
    "!(has(self.replicas) && has(self.autoscaling))": lambda it: not ("replicas" in it and "autoscaling" in it),
    "!(has(self.autoscaling) && has(self.traffic.service))": lambda it: (
        not ("autoscaling" in it and "service" in it["traffic"])
    ),
    "self.minReplicas <= self.maxReplicas": lambda it: it["minReplicas"] <= it["maxReplicas"],
    "!has(self.pods) || has(self.averageValue)": lambda it: "pods" not in it or "averageValue" in it,
    "type(self) == int ? self >= 0 : self.matches('^(100|[0-9]{1,2})%$')": _whole_or_percent,
    **{
        f"!has(self.{probe}) || !has(self.{probe}.successThreshold) || self.{probe}.successThreshold == 1": _probe_once(
            probe
        )
        for probe in ("livenessProbe", "startupProbe")
    },
    "!has(self.ports) || self.ports.all(p, !has(p.name) || self.ports.exists_one(q, has(q.name) && q.name == p.name))": (
        _ports_differ
    ),
    "!(has(self.value) && has(self.valueFrom))": lambda it: not ("value" in it and "valueFrom" in it),
    "self.matches('[a-z]')": lambda it: re.search("[a-z]", it) is not None,
    "!has(self.maxSurge) || self.maxSurge > 0 || (has(self.maxUnavailable) && self.maxUnavailable > 0)": _surge,
    "!has(self.maxUnavailable) || has(self.maxSurge)": lambda it: "maxUnavailable" not in it or "maxSurge" in it,
    "!(has(self.capacity) && self.capacity == 'Full' && has(self.maxSurge))": lambda it: (
        not (it.get("capacity") == "Full" and "maxSurge" in it)
    ),
    "self.map(s, s.weight).isSorted() && self.all(s, self.exists_one(t, t.weight == s.weight))": _rising,
    "self.all(s, s.weight > 0.0)": lambda it: all(step["weight"] > 0 for step in it),
    "double(int(self * 100.0 + 0.001)) - self * 100.0 < 0.001 && self * 100.0 - double(int(self * 100.0 + 0.001)) < 0.001": (
        _two_decimals
    ),
    "self.from <= self.to": lambda it: it["from"] <= it["to"],
    "has(self.matches) || (has(self.weight) && self.weight > 0.0)": lambda it: (
        "matches" in it or it.get("weight", 0) > 0
    ),
    "!has(self.route) || !(has(self.hostnames) || has(self.path))": lambda it: (
        "route" not in it or not ("hostnames" in it or "path" in it)
    ),
    "has(self.threshold) || has(self.comparison) || has(self.nonInferiority) || has(self.agreement)": lambda it: bool(
        {"threshold", "comparison", "nonInferiority", "agreement"} & it.keys()
    ),
    "!has(self.agreement) || !(has(self.comparison) || has(self.nonInferiority))": lambda it: (
        "agreement" not in it or not {"comparison", "nonInferiority"} & it.keys()
    ),
    f"!has(self.threshold) || {_NUMBER} || ({_ITEMS} ? has(self.threshold.min) : has(self.threshold.max))": (
        _fitting_threshold
    ),
    f"!has(self.threshold) || !({_LATENCY})": lambda it: "threshold" not in it or not _latency(it),
    f"!((has(self.comparison) && has(self.comparison.relative)) || (has(self.nonInferiority) && has(self.nonInferiority.relative))) || !({_ITEMS} || {_LATENCY})": (
        lambda it: not any("relative" in gate for gate in _gates(it)) or not (_items(it) or _latency(it))
    ),
    f"!has(self.threshold) || {_NUMBER} || ((!has(self.threshold.max) || (self.threshold.max > 0.0 && self.threshold.max < 1.0)) && (!has(self.threshold.min) || (self.threshold.min > 0.0 && self.threshold.min < 1.0)))": (
        _share_limit
    ),
    f"!has(self.threshold) || !has(self.threshold.__for__) || {_NUMBER}": lambda it: (
        "for" not in it.get("threshold", {}) or _number(it)
    ),
    f"!({_NUMBER}) || has(self.threshold) != (has(self.comparison) || has(self.nonInferiority))": lambda it: (
        not _number(it) or ("threshold" in it) != bool(_gates(it))
    ),
    f"!({_NUMBER}) || !((has(self.comparison) && has(self.comparison.margin)) || (has(self.nonInferiority) && has(self.nonInferiority.margin)))": (
        lambda it: not _number(it) or not any("margin" in gate for gate in _gates(it))
    ),
    "!(has(self.web) && has(self.web.value)) || has(self.threshold)": lambda it: (
        "value" not in it.get("web", {}) or "threshold" in it
    ),
    f"!(({_NUMBER}) && has(self.threshold)) || !(has(self.minSamples) || has(self.confidence))": lambda it: (
        not (_number(it) and "threshold" in it) or not ("minSamples" in it or "confidence" in it)
    ),
    f"!has(self.worse) || (({_NUMBER}) && !has(self.threshold))": lambda it: (
        "worse" not in it or (_number(it) and "threshold" not in it)
    ),
    "[has(self.bad) && has(self.total), has(self.histogram), has(self.query), has(self.preset)].filter(x, x).size() == 1 && has(self.bad) == has(self.total)": (
        partial(_one_reading, "query")
    ),
    "[has(self.bad) && has(self.total), has(self.histogram), has(self.gauge), has(self.preset)].filter(x, x).size() <= 1 && has(self.bad) == has(self.total)": (
        _one_reading_of_pods
    ),
    "!has(self.measure) || !(has(self.bad) || has(self.histogram) || has(self.gauge))": lambda it: (
        "measure" not in it or not {"bad", "histogram", "gauge"} & it.keys()
    ),
    "has(self.release.runtime) || !has(self.release.container) || !has(self.release.container.image) || !has(self.analysis) || !has(self.analysis.metrics) || self.analysis.metrics.all(m, !has(m.pods) || has(m.pods.bad) || has(m.pods.histogram) || has(m.pods.gauge) || has(m.pods.preset))": (
        _preset_to_be_had
    ),
    "has(self.item) != (has(self.fromGoldenSet) && self.fromGoldenSet)": lambda it: (
        ("item" in it) != it.get("fromGoldenSet", False)
    ),
    "!has(self.measure) || has(self.preset)": lambda it: "measure" not in it or "preset" in it,
    "!has(self.preset) || self.preset != 'KServe' || (has(self.measure) && self.measure == 'Latency')": lambda it: (
        it.get("preset") != "KServe" or it.get("measure") == "Latency"
    ),
    "!has(self.preset) || !(self.preset in ['Triton', 'TorchServe']) || !has(self.measure) || self.measure != 'Latency'": (
        lambda it: it.get("preset") not in ("Triton", "TorchServe") or it.get("measure") != "Latency"
    ),
    "has(self.value) ? !has(self.bad) && !has(self.total) : has(self.bad) && has(self.total)": _counts_or_value,
    "duration(self.maturity) >= duration('1s') && duration(self.maturity) <= duration('720h')": _maturity,
    "(self.name == 'CustomHTTP') == has(self.custom)": lambda it: (it["name"] == "CustomHTTP") == ("custom" in it),
    "has(self.input) || has(self.output)": lambda it: "input" in it or "output" in it,
    "has(self.scale) == (has(self.measure) && self.measure in ['LogLoss', 'AbsoluteError', 'SquaredError', 'RelativeError'])": (
        lambda it: (
            ("scale" in it) == (it.get("measure") in ("LogLoss", "AbsoluteError", "SquaredError", "RelativeError"))
        )
    ),
    "!has(self.measure) || self.measure == 'Accuracy' || !(has(self.slices) || has(self.fairness))": lambda it: (
        it.get("measure", "Accuracy") == "Accuracy" or not {"slices", "fairness"} & it.keys()
    ),
    "has(self.positive) == (has(self.measure) && self.measure == 'F1')": lambda it: (
        ("positive" in it) == (it.get("measure") == "F1")
    ),
    "!has(self.match) || !has(self.measure) || self.measure in ['Accuracy', 'BalancedAccuracy']": lambda it: (
        "match" not in it or it.get("measure", "Accuracy") in ("Accuracy", "BalancedAccuracy")
    ),
    "!has(self.threshold) || !has(self.goldenSet) || !has(self.goldenSet.measure) || self.goldenSet.measure == 'Accuracy'": (
        lambda it: "threshold" not in it or it.get("goldenSet", {}).get("measure", "Accuracy") == "Accuracy"
    ),
    "has(self.demographicParity) || has(self.equalOpportunity)": lambda it: (
        "demographicParity" in it or "equalOpportunity" in it
    ),
    "has(self.absolute) || has(self.relative)": lambda it: "absolute" in it or "relative" in it,
    "!(has(self.configMap) && has(self.format) && self.format == 'Parquet')": lambda it: (
        not ("configMap" in it and it.get("format") == "Parquet")
    ),
    "!has(self.source.job) && !has(self.source.pvc) && (!has(self.source.url) || self.source.url.startsWith('http://') || self.source.url.startsWith('https://'))": (
        lambda it: (
            not {"job", "pvc"} & it["source"].keys()
            and it["source"].get("url", "http://").startswith(("http://", "https://"))
        )
    ),
    "!(has(self.configMap) && has(self.job))": lambda it: not ("configMap" in it and "job" in it),
    "!has(self.unit) || has(self.histogram)": lambda it: "unit" not in it or "histogram" in it,
    "has(self.histogram) != has(self.counter)": lambda it: ("histogram" in it) != ("counter" in it),
    "has(self.counter) == has(self.label)": lambda it: ("counter" in it) == ("label" in it),
    "has(self.webhook) || has(self.job)": lambda it: "webhook" in it or "job" in it,
    "has(self.features) || has(self.predictions) || has(self.goldenSet)": lambda it: (
        "features" in it or "predictions" in it or "goldenSet" in it
    ),
    "!has(self.interval) || (duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('168h'))": (
        _lasts("interval", "1s", "168h")
    ),
    "!has(self.cooldown) || (duration(self.cooldown) >= duration('1m') && duration(self.cooldown) <= duration('8760h'))": (
        _lasts("cooldown", "1m", "8760h")
    ),
}
