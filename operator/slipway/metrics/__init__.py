"""Where live numbers come from: the gateway's counters and the pods' own.

Every source gives raw cumulative values, never rates. The difference of two readings counts each request once however
often one looks, and a look that was missed makes the next window longer and loses nothing. So a source that cannot be
read well is a `SourceError`, which is no evidence at all: nothing is guessed, nothing is half read, and the cursor
stays where it is.

`delta` turns two readings into a window and `snapshot` says what to remember for the next one; both are pure.
"""

from slipway.metrics.gateway import GatewayCounters, ServiceRef
from slipway.metrics.pods import read_pods
from slipway.metrics.selector import SelectorError
from slipway.metrics.window import MAX_READINGS, Reading, SourceError, delta, snapshot

__all__ = [
    "MAX_READINGS",
    "GatewayCounters",
    "Reading",
    "SelectorError",
    "ServiceRef",
    "SourceError",
    "delta",
    "read_pods",
    "snapshot",
]
