"""Numbers of a test's state as a status holds them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway.api.common import StatusModel, Text64


class NamedVector(StatusModel):
    """A named vector of numbers of a test's state."""

    name: Annotated[Text64, Field(description="What the numbers are.")]
    values: Annotated[list[float], Field(description="The numbers.", max_length=256)]
