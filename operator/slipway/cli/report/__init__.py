"""One rollout on one page, for people who were not there: `slipway report`. Pure: from a picture to text.

The page stands by itself. It has no script, loads nothing, and whatever names and messages hold is text in it.
"""

from slipway.cli.report.page import page

__all__ = ["page"]
