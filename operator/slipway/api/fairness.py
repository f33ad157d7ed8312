"""Fairness of a golden set's predictions: how far what groups get may be apart."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway.api.common import SpecModel, Text64, validations


class GapLimit(SpecModel):
    """How far two groups may be apart."""

    max: Annotated[float, Field(gt=0, lt=1, description="Largest difference of two groups' shares, such as 0.1.")]


class FairnessSpec(SpecModel):
    """Limits for what each two groups of a kind get, beside the metric's gates. They are judged when the last item was
    replayed: Fail when a gap is shown to be wider, Pass when it is shown to be narrower."""

    model_config = validations(
        (
            "has(self.demographicParity) || has(self.equalOpportunity)",
            "fairness needs a limit: demographicParity, equalOpportunity or both",
        )
    )

    slice: Annotated[Text64, Field(description="Kind of groups, as the items name it in their slices.")]
    positive: Annotated[
        Text64, Field(description="The favourable label, as the items have it in expected: approved, or 1.")
    ]
    demographic_parity: Annotated[
        GapLimit | None, Field(description="Share of a group's items that are predicted to be positive.")
    ] = None
    equal_opportunity: Annotated[
        GapLimit | None,
        Field(description="Share of those of a group's items that are labelled positive that are predicted to be."),
    ] = None
