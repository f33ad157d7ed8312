"""Argo CD's Lua, run as Argo CD runs it: Lua 5.1, `obj` as a global, and only the harmless libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from lupa.lua51 import LuaRuntime

from slipway.cluster import Object

ROOT: Final = Path(__file__).parents[3] / "gitops" / "argocd" / "slipway.dev" / "ModelDeployment"
TAKEN_AWAY: Final = ("io", "debug", "package", "require", "dofile", "loadfile", "load", "loadstring", "python")


def health(obj: Object) -> Object:
    """Status and message."""
    found: Object = _run("health.lua", obj)
    return found


def actions(obj: Object) -> dict[str, Object]:
    """What is offered, by name."""
    found: dict[str, Object] = _run("actions/discovery.lua", obj)
    return found


def action(name: str, obj: Object) -> Object:
    """The object as an action leaves it."""
    found: Object = _run(f"actions/{name}/action.lua", obj)
    return found


def _run(script: str, obj: Object) -> Any:
    lua = LuaRuntime(register_eval=False, register_builtins=False)
    for name in TAKEN_AWAY:
        lua.globals()[name] = None
    lua.globals().obj = _to_lua(lua, obj)
    return _to_python(lua.execute((ROOT / script).read_text()), like=obj)


def _to_lua(lua: LuaRuntime, value: Any) -> Any:
    if isinstance(value, dict):
        return lua.table_from({key: _to_lua(lua, item) for key, item in value.items() if item is not None})
    if isinstance(value, list):
        return lua.table_from([_to_lua(lua, item) for item in value])
    return value


def _to_python(value: Any, *, like: Any = None) -> Any:
    """Tables know neither order nor whether an empty one is a list: both are taken from what went in."""
    if not hasattr(value, "items"):
        return value
    if isinstance(like, list) or (not isinstance(like, dict) and list(value.keys()) == list(range(1, len(value) + 1))):
        known = like if isinstance(like, list) else []
        return [_to_python(value[i], like=known[i - 1] if i <= len(known) else None) for i in range(1, len(value) + 1)]
    before = like if isinstance(like, dict) else {}
    keys = [key for key in before if key in value] + sorted(key for key in value if key not in before)
    return {key: _to_python(value[key], like=before.get(key)) for key in keys}
