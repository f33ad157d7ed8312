"""Reviews: questions that are answered and not stored."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import errors
from slipway_sandbox.apiserver.calls import Answer, Call, json_answer, read_body
from slipway_sandbox.apiserver.codec import DecodeError, canonicalise
from slipway_sandbox.apiserver.rbac import Authorizer, Request
from slipway_sandbox.apiserver.requests import negotiate
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.tokens import Tokens


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
        body["metadata"] = {}
        kind = resource.kind
        if kind == "SelfSubjectReview":
            body["status"] = {"userInfo": {"username": call.user, "groups": list(call.groups)}}
        elif kind == "TokenReview":
            body["status"] = self._token_status(body)
        elif kind == "SelfSubjectRulesReview":
            body["status"] = self._authorizer.rules(call.user, call.groups, body["spec"].get("namespace", ""))
        elif kind.endswith("AccessReview"):
            body["status"] = self._access_status(kind, body, call)
        else:
            raise errors.plain_method_not_allowed()
        return json_answer(body, media, 201)

    def _token_status(self, body: dict[str, Any]) -> dict[str, Any]:
        token = body["spec"].get("token", "")
        if not token:
            raise errors.bad_request("token is required for TokenReview in authentication")
        user = self._tokens.user(token)
        if user is None:
            return {"user": {}, "error": "invalid bearer token"}
        return {"authenticated": True, "user": {"username": user.name, "groups": list(user.groups)}}

    def _access_status(self, kind: str, body: dict[str, Any], call: Call) -> dict[str, Any]:
        spec = body["spec"]
        user, groups = call.user, call.groups
        if not kind.startswith("Self"):
            user, groups = spec.get("user", ""), tuple(spec.get("groups") or ())
        attributes, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if (attributes is None) == (path is None):
            found = [
                errors.FieldError(
                    errors.INVALID,
                    "spec.resourceAttributes",
                    "exactly one of nonResourceAttributes or resourceAttributes must be specified",
                    None,
                )
            ]
            raise errors.invalid("authorization.k8s.io", kind, "", found)
        if path is not None:
            request = Request(path.get("verb", ""), path=path.get("path", ""))
        else:
            request = Request(
                attributes.get("verb", ""), attributes.get("group", ""), attributes.get("resource", ""),
                attributes.get("subresource", ""), attributes.get("namespace", ""), attributes.get("name", ""),
            )  # fmt: skip
        return {"allowed": self._authorizer.allows(user, groups, request)}
