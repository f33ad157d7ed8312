"""Questions put to a model server in its own protocol: does the model answer, and does it answer rightly.

Only status codes are believed where the protocol leaves bodies open, and an answer is a prediction only when all of
it can be read as one. What the candidate fails to answer is an outcome, not an error: `ProbeError` is kept for when
neither arm gave any evidence. Bodies are never passed on; what leaves here are counts and a few shortened values.
"""

from slipway.probes.golden import GoldenItem, GoldenSet, GoldenSetError, read_golden_set, shuffled
from slipway.probes.inference import Readiness, model_ready
from slipway.probes.replay import ProbeError, Replay, replay

__all__ = [
    "GoldenItem",
    "GoldenSet",
    "GoldenSetError",
    "ProbeError",
    "Readiness",
    "Replay",
    "model_ready",
    "read_golden_set",
    "replay",
    "shuffled",
]
