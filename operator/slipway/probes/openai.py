"""OpenAI's chat and text completions, as vLLM, KServe's Hugging Face runtime, SGLang, TGI and NIM serve them.

Answers have to be the same twice to be compared: temperature is 0 and the seed fixed unless an item says otherwise.
The model has to be on the server's list, which also holds adapters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway.probes.protocol import GoldenItem, Question, Scalar, document, sent

MAX_TOKENS: Final = 256
"""Tokens of an answer where an item does not say how many."""


@dataclass(frozen=True, slots=True)
class _OpenAI:
    prefix: str = "/v1"
    """Path of the API; KServe's Hugging Face runtime has it under ``/openai/v1``."""

    @property
    def title(self) -> str:
        """See InferenceProtocol."""
        return f"OpenAI's protocol under {self.prefix}"

    @property
    def knows_models(self) -> bool:
        """See InferenceProtocol."""
        return False

    def readiness(self, model: str) -> tuple[Question, ...]:  # noqa: ARG002
        """See InferenceProtocol."""
        return (Question("GET", f"{self.prefix}/models"),)

    def unready(self, model: str, body: bytes) -> str:
        """See InferenceProtocol."""
        try:
            answer = document(body)
            listed = [one["id"] for one in answer["data"]]
        except (ValueError, TypeError, KeyError):
            return "does not list its models"
        if model in listed:
            return ""
        shown = ", ".join(str(name)[:40] for name in listed[:5]) or "none"
        return f"does not serve it but {shown}: correct spec.release.model.name, or serve the model under that name"

    def _question(self, path: str, model: str, own: Mapping[str, Any]) -> Question:
        fixed = {"model": model, "stream": False, "n": 1}
        limits = {} if "max_completion_tokens" in own else {"max_tokens": MAX_TOKENS}
        body = {"temperature": 0, "seed": 1, **limits, **own, **fixed}
        return Question("POST", f"{self.prefix}/{path}", sent(body))

    def _choice(self, body: bytes) -> Mapping[str, Any]:
        answer = document(body)
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise ValueError("no choices")
        return choices[0]


@dataclass(frozen=True, slots=True)
class OpenAIChat(_OpenAI):
    """`inputs` of an item are a text, which becomes the user's message, or an object with ``messages`` and whatever
    else the request should hold."""

    def check(self, inputs: Any) -> None:
        """See InferenceProtocol."""
        messages = inputs.get("messages") if isinstance(inputs, dict) else None
        good = isinstance(messages, list) and messages and all(isinstance(one, dict) for one in messages)
        if not good and not (isinstance(inputs, str) and inputs):
            raise ValueError("inputs: give a text, or an object with a list of messages")
        sent(inputs)

    def inputs(self, row: Mapping[str, Scalar]) -> Any:
        """See InferenceProtocol: the one column of a table is the user's message."""
        return _text(row)

    def question(self, model: str, item: GoldenItem) -> Question:
        """See InferenceProtocol."""
        own = item.inputs
        if isinstance(own, str):
            own = {"messages": [{"role": "user", "content": own}]}
        return self._question("chat/completions", model, own)

    def values(self, body: bytes) -> tuple[Scalar, ...]:
        """The text of the first choice. A call of a tool is no text, and no prediction."""
        message = self._choice(body).get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str):
            raise ValueError("no text")
        return (content,)


@dataclass(frozen=True, slots=True)
class OpenAICompletions(_OpenAI):
    """`inputs` of an item are a prompt, or an object with ``prompt`` and whatever else the request should hold."""

    def check(self, inputs: Any) -> None:
        """See InferenceProtocol."""
        prompt = inputs.get("prompt") if isinstance(inputs, dict) else inputs
        if not isinstance(prompt, str) or not prompt:
            raise ValueError("inputs: give a prompt, or an object with a prompt")
        sent(inputs)

    def inputs(self, row: Mapping[str, Scalar]) -> Any:
        """See InferenceProtocol: the one column of a table is the prompt."""
        return _text(row)

    def question(self, model: str, item: GoldenItem) -> Question:
        """See InferenceProtocol."""
        own = {"prompt": item.inputs} if isinstance(item.inputs, str) else item.inputs
        return self._question("completions", model, own)

    def values(self, body: bytes) -> tuple[Scalar, ...]:
        """The text of the first choice."""
        text = self._choice(body).get("text")
        if not isinstance(text, str):
            raise ValueError("no text")
        return (text,)


def _text(row: Mapping[str, Scalar]) -> str:
    values = list(row.values())
    if len(values) != 1 or not isinstance(values[0], str):
        raise ValueError(f"a prompt is one column of text, not {len(values)}: {', '.join(row)[:80] or 'none'}")
    return values[0]
