"""The command: `up | down | status | kubeconfig | logs | load | images | pull`, for a person at a terminal.

It holds no state. What runs and where is said by the state folder, so any shell may ask, and the process that serves
is a child of nobody who could take it down by logging out. The same `app` answers to `python -m slipway_sandbox` and,
as a plug-in, to a command of another package; what it prints names the one that was typed.
"""

from slipway_sandbox.cli.app import app

__all__ = ["app"]
