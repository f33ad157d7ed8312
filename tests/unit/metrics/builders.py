"""Builders for the tests of sources that are asked over HTTP."""

from __future__ import annotations

from slipway.cluster.endpoints import Endpoint
from slipway.metrics import ServiceRef
from slipway.outside import Egress, Outside


def a_service(name: str = "fraud-1a2b3c4d", *endpoints: Endpoint) -> ServiceRef:
    return ServiceRef("ml", name, 80, "fraud", tuple(endpoints))


STABLE, CANDIDATE = a_service("fraud-1a2b3c4d"), a_service("fraud-9e8f7a6b")
ARMS = {"stable": STABLE, "candidate": CANDIDATE}


def loopback() -> Outside:
    """What users name may be on loopback here, and nowhere else."""
    return Outside(Egress(("127.0.0.0/8",), public=False))
