"""OpenAPI."""
from __future__ import annotations
from slipway_sandbox.apiserver.errors import PlainNotFoundError
class OpenApi:
    def __init__(self, registry): self.registry=registry
    def answer(self, call): raise PlainNotFoundError
