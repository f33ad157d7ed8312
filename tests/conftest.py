"""What holds for every test."""

import os
import signal
import threading

from hypothesis import settings

# Time belongs in benchmarks. In CI the examples are the same for the same code, so that a red run is the change's
# doing; at a desk they are new ones each time.
settings.register_profile("slipway", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("slipway")

# A shell that runs the tests in the background has Ctrl-C ignored, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
