"""Subresources: status, scale, and those of pods, namespaces and service accounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from slipway_sandbox.apiserver import errors, scale
from slipway_sandbox.apiserver.calls import Answer, Call, json_answer, read_body, warn
from slipway_sandbox.apiserver.codec import now
from slipway_sandbox.apiserver.handlers import Handlers
from slipway_sandbox.apiserver.options import delete_options, write_options
from slipway_sandbox.apiserver.patching import merged
from slipway_sandbox.apiserver.podlog import pod_log
from slipway_sandbox.apiserver.podstream import STREAMED, pod_stream
from slipway_sandbox.apiserver.requests import negotiate
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.store import Record, object_key
from slipway_sandbox.apiserver.strategy import Strategy
from slipway_sandbox.apiserver.tokens import ISSUER, Tokens

_PARTS = {"status", "approval", "resize", "ephemeralcontainers", "finalize"}


class Subresources:
    """Answers for everything below a named object."""

    def __init__(self, handlers: Handlers, tokens: Tokens) -> None:
        self._handlers = handlers
        self._tokens = tokens

    def answer(self, resource: Resource, call: Call, verb: str) -> Answer:
        """Carry out a verb on a subresource.

        Raises:
            ApiError: there is none, or not with this verb.
        """
        name = call.target.subresource
        if name not in resource.subresources:
            if resource.custom is not None:
                self._handlers.record(resource, call)
                raise errors.not_found(resource.group, resource.plural, call.target.name)
            raise errors.no_such_resource()
        if verb not in resource.subresources[name].verbs:
            if resource.custom is not None:
                raise errors.method_not_allowed(resource.group, resource.plural, verb)
            raise errors.plain_method_not_allowed()
        if name in _PARTS:
            return self._part(resource, call, verb, name)
        if name == "scale":
            return self._scale(resource, call, verb)
        if name == "eviction":
            return self._evict(resource, call)
        if name == "binding":
            return self._bind(resource, call)
        if name == "token":
            return self._token(resource, call)
        if name == "log":
            return pod_log(self._handlers.store, self._handlers.record(resource, call).obj, call)
        if name in STREAMED:
            return pod_stream(self._handlers.store, self._handlers.record(resource, call).obj, call)
        raise errors.ApiError(501, "NotImplemented", f"{name} is served by the node of a sandbox, and none is attached")

    def _part(self, resource: Resource, call: Call, verb: str, part: str) -> Answer:
        if verb == "get":
            return self._handlers.show(resource, self._handlers.record(resource, call), negotiate(call.accept), call)
        if verb == "update":
            return self._handlers.update(resource, call, part)
        return self._handlers.patch(resource, call, part)

    def _scale(self, resource: Resource, call: Call, verb: str) -> Answer:
        record = self._handlers.current(resource, self._handlers.record(resource, call))
        media = negotiate(call.accept)
        if verb == "get":
            return json_answer(scale.to_scale(resource, record.obj), media)
        patching = verb == "patch"
        options = write_options(
            "PatchOptions" if patching else "UpdateOptions", call.query, call.agent, is_apply=scale.is_apply(call)
        )
        managers = None
        if scale.is_apply(call):
            applied = merged(resource, record, scale.read_config(resource, call), options, "scale", {})
            new, managers = self.strategy(resource).read(applied.obj, None), applied.managers
        else:
            wanted = scale.read_patch(resource, record.obj, call) if patching else scale.read_body(call)
            scale.check(wanted, call.target.name)
            new = scale.with_replicas(resource, record.obj, wanted)
        outcome = self._handlers.writer.update(
            self.strategy(resource), record, new, options, part="scale", managers=managers
        )
        return warn(json_answer(scale.to_scale(resource, outcome.obj), media), outcome.warnings)

    def strategy(self, resource: Resource) -> Strategy:
        return self._handlers.strategy_of(resource)

    def _evict(self, resource: Resource, call: Call) -> Answer:
        """Evict a pod: delete it, unless a disruption budget says that it may not go now."""
        body = read_body(call, None, "policy.v1.Eviction")
        if body.get("kind") not in (None, "", "Eviction"):
            raise errors.bad_request("the body of an eviction has to be an Eviction")
        record = self._handlers.record(resource, call)
        budget = self._exhausted_budget(record.obj)
        if budget:
            why = f"The disruption budget {budget} needs more healthy pods than there are"
            cause = {"reason": "DisruptionBudget", "message": why}
            text = "Cannot evict pod as it would violate the pod's disruption budget."
            raise errors.ApiError(429, "TooManyRequests", text, {"causes": [cause]})
        options = delete_options({}, body.get("deleteOptions") or {})
        self._handlers.writer.delete(self.strategy(resource), record, options)
        return json_answer(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201},
            negotiate(call.accept),
            201,
        )

    def _exhausted_budget(self, pod: dict[str, Any]) -> str:
        from slipway_sandbox.apiserver.selectors import from_label_selector

        if pod.get("status", {}).get("phase") in {"Succeeded", "Failed", "Pending"}:
            return ""
        labels = pod["metadata"].get("labels") or {}
        budgets = self._handlers.store.collection(("policy", "poddisruptionbudgets"))
        for key in budgets.keys(pod["metadata"]["namespace"]):
            budget = budgets.records[key].obj
            selector = budget["spec"].get("selector")
            chosen = selector is not None and all(r.matches(labels) for r in from_label_selector(selector))
            if chosen and budget.get("status", {}).get("disruptionsAllowed", 0) <= 0:
                return str(budget["metadata"]["name"])
        return ""

    def _bind(self, resource: Resource, call: Call) -> Answer:
        """Put a pod on a node, as a scheduler does."""
        node = (read_body(call, None, "core.v1.Binding").get("target") or {}).get("name", "")
        record = self._handlers.record(resource, call)
        obj = record.obj
        if not node:
            found = [errors.FieldError(errors.REQUIRED, "target.name", "")]
            raise errors.invalid("", "Binding", call.target.name, found)
        if obj["spec"].get("nodeName"):
            raise errors.conflict(
                "",
                "pods/binding",
                call.target.name,
                f"pod {call.target.name} is already assigned to node {obj['spec']['nodeName']!r}",
            )
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now()}
        conditions = [c for c in obj.get("status", {}).get("conditions") or () if c["type"] != "PodScheduled"]
        new = {
            **obj,
            "spec": {**obj["spec"], "nodeName": node},
            "status": {**obj.get("status", {}), "conditions": [*conditions, scheduled]},
        }
        self._handlers.store.write(resource.key, object_key(call.target.namespace, call.target.name), new)
        return json_answer(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201},
            negotiate(call.accept),
            201,
        )

    def _token(self, resource: Resource, call: Call) -> Answer:
        record: Record = self._handlers.record(resource, call)
        body = read_body(call, None, "authentication.v1.TokenRequest")
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds") or 3600
        if seconds < 600:
            found = [
                errors.FieldError(
                    errors.INVALID, "spec.expirationSeconds", "may not specify a duration less than 10 minutes", seconds
                )
            ]
            raise errors.invalid("authentication.k8s.io", "TokenRequest", "", found)
        audiences = spec.get("audiences") or [ISSUER]
        meta = record.obj["metadata"]
        token, expires = self._tokens.issue(meta["namespace"], meta["name"], meta["uid"], audiences, seconds)
        stamp = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "creationTimestamp": now()},
            "spec": {**spec, "audiences": audiences, "expirationSeconds": seconds},
            "status": {"token": token, "expirationTimestamp": stamp},
        }
        return json_answer(answer, negotiate(call.accept), 201)
