"""The ``slipway`` command. Groups of verbs come from this package and, through entry points, from others."""

from slipway.cli.app import main

__all__ = ["main"]
