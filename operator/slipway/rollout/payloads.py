"""The messages that receivers of notifications get, in each format. Pure.

Slack: an incoming webhook takes ``text``. Teams: a workflow that was made for webhooks takes a message with one
Adaptive Card. CloudEvents: version 1.0 in the structured mode.
"""

from __future__ import annotations

import re
from typing import Any, Final

from slipway.api import PLACEHOLDERS, format_time
from slipway.rollout.decision import Notice

MAX_TEXT: Final = 3000
"""Characters of a text: Slack cuts longer ones."""

EVENT_PREFIX: Final = "dev.slipway.rollout."

CONTENT_TYPES: Final = {
    "JSON": "application/json; charset=utf-8",
    "Slack": "application/json; charset=utf-8",
    "Teams": "application/json; charset=utf-8",
    "CloudEvents": "application/cloudevents+json; charset=utf-8",
}

USUAL: Final = "{{namespace}}/{{name}}: {{event}}: release {{version}}: {{message}} ({{reason}})"
"""The text where no template is given."""


def text_of(notice: Notice, *, namespace: str, deployment: str) -> str:
    """The text: the template with what stands for its placeholders. What was filled in is not read again."""
    values = {
        "name": deployment,
        "namespace": namespace,
        "event": notice.event.value,
        "version": notice.version,
        "reason": notice.reason,
        "message": notice.message,
        "phase": notice.phase,
    }
    pattern = r"\{\{(" + "|".join(PLACEHOLDERS) + r")\}\}"
    text = re.sub(pattern, lambda found: values[found[1]], notice.receiver.template or USUAL)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def payload(notice: Notice, *, namespace: str, deployment: str) -> dict[str, Any]:
    """The document that is sent."""
    text = text_of(notice, namespace=namespace, deployment=deployment)
    match notice.receiver.format:
        case "Slack":
            return {"text": _for_slack(text)}
        case "Teams":
            return _card(text)
        case "CloudEvents":
            return {
                "specversion": "1.0",
                "id": notice.id,
                "source": f"/apis/slipway.dev/v1alpha1/namespaces/{namespace}/modeldeployments/{deployment}",
                "type": f"{EVENT_PREFIX}{notice.event.lower()}.v1",
                "subject": notice.revision,
                "time": format_time(notice.time),
                "datacontenttype": "application/json",
                "data": _facts(notice, text, namespace, deployment),
            }
        case "JSON":
            return {"id": notice.id, "time": format_time(notice.time), **_facts(notice, text, namespace, deployment)}


def _facts(notice: Notice, text: str, namespace: str, deployment: str) -> dict[str, Any]:
    return {
        "event": notice.event.value,
        "namespace": namespace,
        "modelDeployment": deployment,
        "modelRevision": notice.revision,
        "version": notice.version,
        "phase": notice.phase,
        "reason": notice.reason,
        "message": notice.message,
        "text": text,
    }


def _for_slack(text: str) -> str:
    """Slack reads three characters as markup: a version such as ``<!channel>`` would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _card(text: str) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": text, "wrap": True}],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [content]}
