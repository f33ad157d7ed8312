"""Processes that never outlive the sandbox.

Everything that a sandbox starts, it starts here, and three nets hold it however the sandbox ends: a process dies by
the kernel's hand with the one that started it (`launcher`), whatever it started itself is found by a marker in its
environment and killed by a small guard when the sandbox's end of a pipe closes (`reaper`), and the next start on the
same state folder looks for the marker once more.
"""

from slipway_sandbox.processes.attached import AttachedProcess
from slipway_sandbox.processes.guard import start_guard
from slipway_sandbox.processes.launcher import CANNOT_START
from slipway_sandbox.processes.process import Process
from slipway_sandbox.processes.reaper import MARKER, kill_marked, marked

__all__ = ["CANNOT_START", "MARKER", "AttachedProcess", "Process", "kill_marked", "marked", "start_guard"]
