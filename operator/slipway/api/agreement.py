"""Inputs without labels: how often two releases answer otherwise, which is worth a look whoever is right."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from slipway.api.common import Duration, SpecModel, Text256, validations
from slipway.api.sources import GoldenSetKeys, HttpUrl, MatchSpec

DISAGREEMENT: Final = 0.1
"""Share of the inputs that a candidate may answer otherwise than stable, where nothing else is said."""


class AgreementSource(SpecModel):
    """Inputs, with or without labels, that are asked of the candidate and of the stable release: in the shadow stage
    where there is one, else before any traffic moves. What is counted are answers that are not the same."""

    model_config = validations(
        ("[has(self.configMap), has(self.url)].filter(x, x).size() == 1", "name exactly one of configMap and url"),
        (
            "!(has(self.configMap) && has(self.format) && self.format == 'Parquet')",
            "a ConfigMap holds text: give the address of a Parquet file in url",
        ),
    )

    config_map: GoldenSetKeys | None = None
    url: Annotated[HttpUrl | None, Field(description="Address of a file of at most 4 MiB, as for goldenSet.")] = None
    format: Annotated[
        Literal["JSONLines", "CSV", "Parquet"] | None,
        Field(description="As for goldenSet; items need no expected."),
    ] = None
    tolerance: Annotated[
        float, Field(ge=0, le=0.5, description="Share of the items that may be bad and are left out. Default: 0.")
    ] = 0
    match: Annotated[
        MatchSpec | None,
        Field(description="When two answers are the same. Default: when all their values are equal."),
    ] = None
    output: Annotated[Text256 | None, Field(description="Name of the output that is compared, as for goldenSet.")] = (
        None
    )
    timeout: Annotated[
        Duration,
        Field(
            description="Longest wait for one answer, and 20s at the most; a later one of the candidate counts as another. Default: 5s."
        ),
    ] = timedelta(seconds=5)
    max_requests_per_second: Annotated[
        int, Field(ge=1, le=10_000, description="Most requests a second that one pod is asked. Default: 100.")
    ] = 100
