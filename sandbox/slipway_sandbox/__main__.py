"""`python -m slipway_sandbox up | down | status | …`: the same verbs as `slipway sandbox`."""

from slipway_sandbox.cli import app

if __name__ == "__main__":
    app(prog_name="python -m slipway_sandbox")
