"""The shell around the core: watch events in, one look at a time, writes out.

`handlers` knows kopf, `queue` knows what is due, `observe` and `collect` read, `act` writes, `reconciler` puts them
around the core's `decide`, and `main` is the process. Nothing imports this package but the command line.
"""

from slipway.controller.health import AddressError, listen_address
from slipway.controller.logs import log_to_stderr
from slipway.controller.main import Settings, run

__all__ = ["AddressError", "Settings", "listen_address", "log_to_stderr", "run"]
