"""Reviews: questions that are answered and not stored."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import errors
from slipway_sandbox.apiserver.calls import Answer, Call, json_answer, read_body
from slipway_sandbox.apiserver.codec import DecodeError, canonicalise
from slipway_sandbox.apiserver.errors import INVALID, FieldError
from slipway_sandbox.apiserver.rbac import Authorizer, Request
from slipway_sandbox.apiserver.requests import negotiate
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.tokens import ISSUER, Tokens, audiences_of


class Reviews:
    """Who may do what, and who somebody is."""

    def __init__(self, authorizer: Authorizer, tokens: Tokens) -> None:
        self._authorizer = authorizer
        self._tokens = tokens

    def answer(self, resource: Resource, call: Call) -> Answer:
        """Answer a review.

        Raises:
            ApiError: it asks nothing, or is malformed.
        """
        media = negotiate(call.accept)
        try:
            body = canonicalise(resource.node, read_body(call, None, resource.type_name))
        except DecodeError as error:
            raise errors.bad_request(str(error)) from error
        body["kind"], body["apiVersion"] = resource.kind, resource.api_version
        kind, given = resource.kind, body.get("metadata") or {}
        body["metadata"] = {"namespace": call.target.namespace} if call.target.namespace else {}
        if kind == "SelfSubjectReview":
            body["status"] = {"userInfo": {"username": call.user, "groups": list(call.groups)}}
        elif kind == "TokenReview":
            body["status"] = self._token_status(body)
        elif kind == "SelfSubjectRulesReview":
            if not body["spec"].get("namespace"):
                raise errors.bad_request("no namespace on request")
            body["status"] = self._authorizer.rules(call.user, call.groups, body["spec"].get("namespace", ""))
        elif kind.endswith("AccessReview"):
            found = _access_errors(kind, body["spec"], given, call.target.namespace)
            if found:
                raise errors.invalid("authorization.k8s.io", kind, "", found)
            body["status"] = self._access_status(kind, body, call)
        else:
            raise errors.plain_method_not_allowed()
        return json_answer(body, media, 201)

    def _token_status(self, body: dict[str, Any]) -> dict[str, Any]:
        token = body["spec"].get("token", "")
        if not token:
            raise errors.bad_request("token is required for TokenReview in authentication")
        asked = tuple(body["spec"].get("audiences") or ())
        user = self._tokens.user(token, asked or (ISSUER,))
        if user is None:
            return {"user": {}, "error": "invalid bearer token"}
        # The administrator's token is no service account's, and is for the API server alone.
        meant = [audience for audience in asked if audience in (audiences_of(token) or (ISSUER,))]
        if asked and not meant:
            return {"user": {}, "error": f"token audiences do not match the target audiences {list(asked)}"}
        status = {"authenticated": True, "user": {"username": user.name, "groups": list(user.groups)}}
        return status | ({"audiences": meant} if asked else {})

    def _access_status(self, kind: str, body: dict[str, Any], call: Call) -> dict[str, Any]:
        spec = body["spec"]
        user, groups = call.user, call.groups
        if not kind.startswith("Self"):
            user, groups = spec.get("user", ""), tuple(spec.get("groups") or ())
        attributes, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if path is not None:
            request = Request(path.get("verb", ""), path=path.get("path", ""))
        else:
            request = Request(
                attributes.get("verb", ""), attributes.get("group", ""), attributes.get("resource", ""),
                attributes.get("subresource", ""), attributes.get("namespace", ""), attributes.get("name", ""),
            )  # fmt: skip
        return {"allowed": self._authorizer.allows(user, groups, request)}


def _access_errors(kind: str, spec: dict[str, Any], given: dict[str, Any], namespace: str) -> list[FieldError]:
    """What is wrong with a question about access: it is about one thing and somebody, and has no name."""
    errors = []
    attributes, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if attributes is not None and path is not None:
        detail = "cannot be specified in combination with resourceAttributes"
        errors.append(FieldError(INVALID, "spec.nonResourceAttributes", detail, path))
    if attributes is None and path is None:
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        errors.append(FieldError(INVALID, "spec.resourceAttributes", detail, None))
    if not kind.startswith("Self") and not spec.get("user") and not spec.get("groups"):
        errors.append(FieldError(INVALID, "spec.user", "at least one of user or group must be specified", ""))
    local = kind.startswith("Local")
    if {name for name, value in given.items() if value} - {"managedFields", *(["namespace"] if local else [])}:
        errors.append(FieldError(INVALID, "metadata", "must be empty except for managedFields", given))
    if local and attributes is not None and attributes.get("namespace", "") != namespace:
        here, asked = "spec.resourceAttributes.namespace", attributes.get("namespace", "")
        errors.append(FieldError(INVALID, here, "must match metadata.namespace", asked))
    if local and path is not None:
        detail = "disallowed on this kind of request"
        errors.append(FieldError(INVALID, "spec.nonResourceAttributes", detail, path))
    return errors
