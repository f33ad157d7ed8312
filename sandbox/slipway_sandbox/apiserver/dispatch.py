"""From a request to the handler that answers it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from slipway_sandbox.apiserver import crds, discovery, errors, requests
from slipway_sandbox.apiserver.admission import Admission
from slipway_sandbox.apiserver.bodies import is_watch
from slipway_sandbox.apiserver.builtins import built_in_resources
from slipway_sandbox.apiserver.calls import Answer, Call, carrying, json_answer, media_type, warn
from slipway_sandbox.apiserver.errors import PlainNotFoundError
from slipway_sandbox.apiserver.handlers import Handlers
from slipway_sandbox.apiserver.health import ROOTS, health
from slipway_sandbox.apiserver.journal import Journal
from slipway_sandbox.apiserver.kinds import hooks_for
from slipway_sandbox.apiserver.openapi import OpenApi
from slipway_sandbox.apiserver.options import DeleteOptions
from slipway_sandbox.apiserver.patching import APPLY_TYPES
from slipway_sandbox.apiserver.policies import Policies, Requester
from slipway_sandbox.apiserver.rbac import Authorizer, Request
from slipway_sandbox.apiserver.requests import negotiate
from slipway_sandbox.apiserver.resources import Registry, Resource
from slipway_sandbox.apiserver.reviews import Reviews
from slipway_sandbox.apiserver.store import Change, Record, Store, object_key
from slipway_sandbox.apiserver.strategy import BuiltInStrategy, CustomStrategy, Strategy
from slipway_sandbox.apiserver.subresources import Subresources
from slipway_sandbox.apiserver.tokens import Tokens
from slipway_sandbox.apiserver.versions import VERSION
from slipway_sandbox.apiserver.writes import Writer

Later = Callable[[Callable[[], None]], Any]


_FIXED = {"version", "openapi", "debug"}


@dataclass(frozen=True, order=True)
class Asked:
    """What was asked of the API, as `/debug/requests` counts it."""

    userAgent: str  # noqa: N815 - the word that readers of the page see
    user: str
    verb: str
    group: str
    resource: str
    """With the subresource, such as `deployments/scale`."""
    namespace: str
    allowed: bool


class Dispatcher:
    """The API as a function from calls to answers, on a store of its own.

    Args:
        later: runs a function soon, outside of the current request.
        tokens: recognises and issues bearer tokens.
        journal: where the objects of an earlier run are, and those of this one go.

    Raises:
        StateFileError: the journal cannot be read.
    """

    def __init__(self, later: Later, tokens: Tokens, journal: Journal | None = None) -> None:
        self.store = Store()
        self.registry = Registry(built_in_resources())
        self.counts: Counter[Asked] = Counter()
        self.address = ""
        self._later = later
        self._strategies: dict[Resource, Strategy] = {}
        admission = Admission(self.store)
        self._authorizer = Authorizer(self.store)
        self._policies = Policies(self.store, self.registry, self._authorizer)
        self.writer = Writer(self.store, admission.admit, self._policies.review)
        self.handlers = Handlers(self.store, self.writer, self.strategy)
        self._subresources = Subresources(self.handlers, tokens)
        self._reviews = Reviews(self._authorizer, tokens)
        self._openapi = OpenApi(self.registry)
        self.definitions = crds.Definitions(self.store, self.registry, self._delete)
        if journal is not None:
            journal.restore(self.store)  # before anybody else listens, so that a change is on record before it is told
            for name in list(self.store.collection(crds.KEY).records):
                self.definitions.reconcile(name)
        self.store.watch_all(self._changed)

    def strategy(self, resource: Resource) -> Strategy:
        """How a resource is written."""
        found = self._strategies.get(resource)
        if found is None:
            if resource.custom is not None:
                found = CustomStrategy(resource)
            else:
                found = BuiltInStrategy(resource, hooks_for(*resource.key))
            self._strategies[resource] = found
        return found

    def _delete(self, resource: Resource, record: Record) -> None:
        self.writer.remove(resource, record, DeleteOptions())

    def _changed(self, collection: tuple[str, str], change: Change) -> None:
        if collection == crds.KEY:
            self._later(lambda: self.definitions.reconcile(change.key))
        elif change.kind == "DELETED" and "." in collection[0]:
            resource = next((r for r in self.registry.all() if r.key == collection), None)
            if resource is not None and resource.custom is not None:
                self._later(lambda: self.definitions.instance_gone(resource))

    def handle(self, call: Call) -> Answer:
        """Answer a call.

        Raises:
            ApiError: the call is refused.
            PlainNotFoundError: there is nothing at that path.
        """
        root = call.path.split("/", 2)[1]
        if root in {"api", "apis"}:
            return self._resources(call)
        if not self._authorizer.allows(call.user, call.groups, Request(call.method.lower(), path=call.path)):
            raise errors.ApiError(
                403, "Forbidden", f'forbidden: User "{call.user}" cannot {call.method.lower()} path "{call.path}"', {}
            )
        if root in ROOTS:
            answer = health(call)
            if answer is None:
                raise PlainNotFoundError
            return answer
        if call.method not in {"GET", "HEAD"} and root in _FIXED:
            raise errors.plain_method_not_allowed()
        fixed = self._fixed(call, root)
        if fixed is None:
            raise PlainNotFoundError
        return fixed

    def _fixed(self, call: Call, root: str) -> Answer | None:
        if root == "version":
            return json_answer(VERSION, requests.Media())
        if root == "openapi":
            return self._openapi.answer(call)
        if call.path == "/debug/requests":
            rows = [{**asdict(asked), "count": count} for asked, count in sorted(self.counts.items())]
            return json_answer({"requests": rows, "objects": self.store.counts()}, requests.Media())
        if call.path == "/":
            return json_answer(
                {"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]},
                requests.Media(),
            )
        return None

    def _resources(self, call: Call) -> Answer:
        target = requests.parse_path(call.path)
        if target is None or not target.version:
            return self._groups(call, target.group if target else "")
        if not target.resource:
            return self._version(call, target.group, target.version)
        call.target = target
        resource = self.registry.find(target.group, target.version, target.resource)
        if resource is None:
            if not self.registry.has_group(target.group) or self.registry.is_custom_group(target.group):
                raise PlainNotFoundError
            raise errors.no_such_resource()
        self._check_scope(resource, target, call.method)
        verb = self._verb(call)
        self._authorize(call, verb)
        applied = verb == "patch" and media_type(call.content_type) in APPLY_TYPES and not target.subresource
        if applied and self.store.get(resource.key, object_key(target.namespace, target.name)) is None:
            self._authorize(call, "create")  # who applies what is missing needs both rights
        self._policies.requester = Requester(call.user, call.groups)
        warnings = [resource.custom.warning] if resource.custom is not None and resource.custom.warning else []
        with carrying(warnings):
            return warn(self._carry_out(resource, call, verb), warnings)

    def _authorize(self, call: Call, verb: str) -> None:
        target = call.target
        request = Request(verb, target.group, target.resource, target.subresource, target.namespace, target.name)
        allowed = self._authorizer.allows(call.user, call.groups, request)
        part = f"{target.resource}/{target.subresource}" if target.subresource else target.resource
        self.counts[Asked(call.agent, call.user, verb, target.group, part, target.namespace, allowed)] += 1
        if allowed:
            return
        where = f' in the namespace "{target.namespace}"' if target.namespace else " at the cluster scope"
        why = f'User "{call.user}" cannot {verb} resource "{part}" in API group "{target.group}"{where}'
        raise errors.forbidden(target.group, target.resource, target.name, why)

    def _check_scope(self, resource: Resource, target: requests.Target, method: str) -> None:
        wrong = bool(target.namespace) != resource.namespaced and (bool(target.name) or bool(target.namespace))
        if wrong or (resource.custom is not None and resource.namespaced and not target.namespace and method != "GET"):
            if resource.custom is not None:
                raise PlainNotFoundError
            raise errors.no_such_resource()

    def _groups(self, call: Call, group: str) -> Answer:
        if call.method not in {"GET", "HEAD"}:
            raise errors.plain_method_not_allowed()
        if group:
            if not self.registry.has_group(group):
                raise PlainNotFoundError
            return json_answer(discovery.api_group(self.registry, group), negotiate(call.accept))
        media = negotiate(call.accept, allowed=frozenset({discovery.AGGREGATED}))
        core = call.path.startswith("/api/") or call.path == "/api"
        if media.kind:
            return json_answer(discovery.aggregated(self.registry, core=core), media)
        if core:
            return json_answer(discovery.api_versions(self.address), media)
        return json_answer(discovery.api_group_list(self.registry), media)

    def _version(self, call: Call, group: str, version: str) -> Answer:
        if not self.registry.has_group(group) or (
            group and self.registry.is_custom_group(group) and version not in self.registry.versions(group)
        ):
            raise PlainNotFoundError
        if version not in self.registry.versions(group):
            raise errors.no_such_resource()
        if call.method not in {"GET", "HEAD"}:
            raise errors.plain_method_not_allowed()
        return json_answer(discovery.resource_list(self.registry, group, version), negotiate(call.accept))

    def _verb(self, call: Call) -> str:
        target = call.target
        if call.method in {"GET", "HEAD"}:
            if not target.name:
                return "watch" if is_watch(call) else "list"
            if target.subresource:
                return "get"
            return "watch" if target.watch_prefix else "get"
        if call.method == "DELETE":
            return "delete" if target.name else "deletecollection"
        return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(call.method, call.method.lower())

    def _carry_out(self, resource: Resource, call: Call, verb: str) -> Answer:
        target = call.target
        if not resource.stored:
            if verb != "create":
                raise errors.plain_method_not_allowed()
            return self._reviews.answer(resource, call)
        if target.subresource:
            return self._subresources.answer(resource, call, verb)
        if verb == "watch" and call.method == "GET":
            return self.handlers.watch(resource, call)
        return self._plain_verb(resource, call, verb)

    def _plain_verb(self, resource: Resource, call: Call, verb: str) -> Answer:
        target, handlers = call.target, self.handlers
        if verb == "get":
            return handlers.get(resource, call)
        if verb == "list":
            return handlers.list(resource, call)
        if verb == "create" and (not target.name or resource.custom is not None):
            if resource.namespaced and not target.namespace:
                raise errors.plain_method_not_allowed()
            return handlers.create(resource, call)
        if verb in {"update", "patch"} and resource.custom is not None and not target.name:
            raise errors.bad_request("name must be provided")
        if verb == "update" and target.name:
            return handlers.update(resource, call)
        if verb == "patch" and target.name:
            return handlers.patch(resource, call)
        if verb == "delete" and target.name:
            return handlers.delete(resource, call)
        if verb == "deletecollection" and verb in resource.verbs and (target.namespace or not resource.namespaced):
            return handlers.delete_collection(resource, call)
        raise errors.plain_method_not_allowed()
