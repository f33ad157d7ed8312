"""The whole: a state folder, a process that serves everything in it, and the handle that a test or a demo holds.

Everything runs in one process of its own (`serve`), so that a client's busy event loop never delays the API, and a
kill of either side is a clean cut: the server ends when the handle goes, and everything it started ends with it.
"""

from slipway_sandbox.sandbox.handle import Sandbox
from slipway_sandbox.sandbox.state import Ending, Endpoints, SandboxError, StateFolder, named_state

__all__ = ["Sandbox", "SandboxError", "StateFolder", "Endpoints", "Ending", "named_state"]
