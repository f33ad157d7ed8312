"""Jobs that users have the operator run: what may be said of their container, and how long they may take."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from slipway.api.common import Duration, SpecModel, Text1024, list_map
from slipway.api.container import EnvVar, Resources

JOB_TIMEOUT: Final = timedelta(minutes=30)
"""How long a Job may take where nothing else is said: as long as a stage waits for a verdict."""

JobTimeout = Annotated[
    Duration,
    Field(
        description="Longest time from the Job's creation to its end, its retries included. A stage waits no longer than analysis.maxDuration. Default: 30m."
    ),
]
JobEnv = Annotated[
    list[EnvVar] | None,
    Field(max_length=64, description="Environment variables, which may come from Secrets of the same namespace."),
    list_map("name"),
]


class JobSettings(SpecModel):
    """A Job with the operator's own image, in the ModelDeployment's namespace."""

    env: JobEnv = None
    resources: Resources | None = None
    timeout: JobTimeout = JOB_TIMEOUT


class JobContainer(SpecModel):
    """A Job with a container of the user, in the ModelDeployment's namespace: restricted, without a token for the API."""

    image: Annotated[
        str, Field(description="Image of the container.", min_length=1, max_length=1024, pattern=r"^[^\s]+$")
    ]
    command: Annotated[
        list[Text1024] | None,
        Field(description="Command that is run in the place of the image's entry point.", max_length=64),
    ] = None
    args: Annotated[
        list[Annotated[str, Field(max_length=4096)]] | None,
        Field(description="Arguments of the command.", max_length=128),
    ] = None
    env: JobEnv = None
    resources: Resources | None = None
    timeout: JobTimeout = JOB_TIMEOUT


class JobSource(JobContainer):
    """A Job of the user that measures the candidate before any traffic moves, and leaves JSON in the file that
    SLIPWAY_RESULT names."""

    result: Annotated[
        Literal["Counts", "Pairs"],
        Field(
            description='Counts: {"bad": 3, "total": 500} of the candidate, or {"candidate": {"bad": 3, "total": 500}, "stable": {"bad": 2, "total": 500}} for a comparison. Pairs: items that both were asked, {"losses": 3, "wins": 2, "tiesRight": 480, "tiesWrong": 15}, or {"right": 482, "wrong": 18} for a first release. Default: Counts.'
        ),
    ] = "Counts"
