"""YAML in ConfigMaps of users, which any of them may fill with whatever they like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

LONGEST: Final = 64 * 1024
"""PyYAML takes about six seconds for the MiB that a ConfigMap may hold, and nothing else is looked at meanwhile."""


def read_yaml(data: Mapping[str, str], key: str) -> Any:
    """What the key of a ConfigMap's data says. Raises ValueError, which names the key."""
    if len(data[key].encode()) > LONGEST:
        raise ValueError(f"{key} has more than {LONGEST // 1024} KiB: leave out what is not needed")
    try:
        return yaml.safe_load(data[key])
    except yaml.YAMLError:
        raise ValueError(f"{key} is no YAML") from None
    except RecursionError:
        raise ValueError(f"{key} is nested too deep") from None
    except (ValueError, KeyError, IndexError, AttributeError):  # what PyYAML makes of `!!bool perhaps` and its like
        raise ValueError(f"{key} holds a value that its tag does not allow: leave tags (!!) out") from None
