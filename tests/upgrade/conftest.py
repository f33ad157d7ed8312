"""Helm and an API server, as the tests of the chart have them."""

from chart.conftest import admin, chart

__all__ = ["admin", "chart"]
