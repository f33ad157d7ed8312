"""Subresources: status, scale, and those of pods, namespaces and service accounts."""

from __future__ import annotations

from slipway_sandbox.apiserver import errors
from slipway_sandbox.apiserver.calls import Answer, Call
from slipway_sandbox.apiserver.handlers import Handlers
from slipway_sandbox.apiserver.requests import negotiate
from slipway_sandbox.apiserver.resources import Registry, Resource


class Subresources:
    """Answers for everything below a named object."""

    def __init__(self, handlers: Handlers, registry: Registry) -> None:
        self._handlers = handlers
        self._registry = registry

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
            raise errors.plain_method_not_allowed()
        if name in {"status", "approval", "resize", "ephemeralcontainers"}:
            return self._part(resource, call, verb, name)
        raise errors.plain_method_not_allowed()

    def _part(self, resource: Resource, call: Call, verb: str, part: str) -> Answer:
        if verb == "get":
            return self._handlers.show(resource, self._handlers.record(resource, call), negotiate(call.accept), call)
        if verb == "update":
            return self._handlers.update(resource, call, part)
        return self._handlers.patch(resource, call, part)
