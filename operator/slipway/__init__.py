"""Slipway launches machine-learning models on Kubernetes and hauls bad ones back by itself.

The package is a functional core (``rollout``, ``analysis``, ``release``) in an imperative shell (``controller``,
``cluster``, ``workload``, ``traffic``, ``metrics``, ``probes``). Read ``rollout/decide.py`` first, then
``controller/reconciler.py``.
"""

from importlib.metadata import version

__version__ = version("slipway")
