"""The first program of every container: ties the process to the agent's life, then becomes the container.

Run as a plain script by an isolated interpreter (about ten milliseconds), so it imports little and nothing of this
package. Usage: launcher.py AGENT_PID COMMAND [ARG...], with the environment, folder and streams already set.

The kernel kills the process when the agent dies (`PR_SET_PDEATHSIG`), which survives `exec` but is not inherited by
its children; those are the reaper's business.
"""

import ctypes
import fcntl
import os
import signal
import sys
import termios

PR_SET_PDEATHSIG = 1
CANNOT_START = 128
"""The exit code that a container runtime reports for a command that cannot be started."""


def main() -> None:
    """Set the parent-death signal and exec; exits with 128 and the reason on stderr when the command cannot start."""
    agent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != agent:
        os._exit(CANNOT_START)  # the agent died before the signal was armed
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C typed there reaches the process
    try:
        os.execvpe(command[0], command, os.environ)  # noqa: S606 - what is run is the pod's business
    except OSError as problem:
        sys.stderr.write(f'exec: "{command[0]}": {os.strerror(problem.errno or 0)}\n')
        os._exit(CANNOT_START)


if __name__ == "__main__":
    main()
