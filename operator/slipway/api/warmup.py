"""``warmUp``: requests that a new pod answers before its release counts as one that answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway.api.common import SpecModel, validations


class WarmUp(SpecModel):
    """Requests that each pod of a candidate has to answer before anything is asked of, or routed to, the candidate."""

    model_config = validations(
        (
            "has(self.item) != (has(self.fromGoldenSet) && self.fromGoldenSet)",
            "say what is asked: name exactly one of item, and fromGoldenSet: true",
        )
    )

    requests: Annotated[int, Field(ge=1, le=1000, description="How many requests each pod has to answer.")]
    item: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=16384,
            description="What is asked, again and again: JSON text of what an item of a golden set has in its inputs.",
        ),
    ] = None
    from_golden_set: Annotated[
        bool | None,
        Field(
            description="Ask the items of the first golden set of spec.analysis that the operator replays itself, in turns. Default: false."
        ),
    ] = None
