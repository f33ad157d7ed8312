"""What holds for every test."""

import os

from hypothesis import settings

# Time belongs in benchmarks. In CI the examples are the same for the same code, so that a red run is the change's
# doing; at a desk they are new ones each time.
settings.register_profile("slipway", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("slipway")
