"""Reviews: questions that are answered and not stored."""

from __future__ import annotations

from slipway_sandbox.apiserver.calls import Answer, Call, json_answer, read_body
from slipway_sandbox.apiserver.requests import negotiate
from slipway_sandbox.apiserver.resources import Resource


class Reviews:
    """Without access control everybody may do everything."""

    def answer(self, resource: Resource, call: Call) -> Answer:
        """Answer a review."""
        media = negotiate(call.accept)
        body = read_body(call, None)
        body["kind"], body["apiVersion"] = resource.kind, resource.api_version
        body.setdefault("metadata", {})
        if resource.kind.endswith("AccessReview"):
            body["status"] = {"allowed": True}
        return json_answer(body, media, 201)
