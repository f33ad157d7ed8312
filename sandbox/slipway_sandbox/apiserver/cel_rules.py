"""Rules of a custom resource (`x-kubernetes-validations`): where they stand, and what they say of a write."""

from __future__ import annotations

import re
from typing import Any

from slipway_sandbox.apiserver import cel
from slipway_sandbox.apiserver.cel import CelError
from slipway_sandbox.apiserver.errors import INVALID, OMITTED, FieldError
from slipway_sandbox.apiserver.schema import ABSENT, Findings, correlate, equal, join

_OLD = re.compile(r"\boldSelf\b")
_RULES = "x-kubernetes-validations"


class RuleSet:
    """The rules of one schema. Parts of the schema without rules are not walked."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._with_rules: dict[int, bool] = {}
        self.any = self._has_rules(schema)

    def _has_rules(self, schema: Any) -> bool:
        if not isinstance(schema, dict):
            return False
        known = self._with_rules.get(id(schema))
        if known is None:
            below = [
                *(schema.get("properties") or {}).values(),
                schema.get("items"),
                schema.get("additionalProperties"),
            ]
            found = [self._has_rules(part) for part in below]  # all of them, so that every part is known
            known = bool(schema.get(_RULES)) or any(found)
            self._with_rules[id(schema)] = known
        return known

    def check(self, new: dict[str, Any], old: dict[str, Any] | None) -> Findings:
        """Evaluate all rules on a write; violations of what did not change come as warnings."""
        found = Findings()
        if self.any:
            self._visit(self._schema, new, ABSENT if old is None else old, "", found, root=True)
        return found

    def _visit(
        self, schema: dict[str, Any], value: Any, old: Any, path: str, found: Findings, *, root: bool = False
    ) -> None:
        if not self._has_rules(schema) or value is None:
            return
        rules = schema.get(_RULES)
        if rules:
            self._evaluate(schema, rules, value, old, path, found, root=root)
        if isinstance(value, dict):
            self._members(schema, value, old if isinstance(old, dict) else ABSENT, path, found)
        elif isinstance(value, list) and isinstance(schema.get("items"), dict):
            partners = correlate(schema, value, old if isinstance(old, list) else ABSENT)
            for index, item in enumerate(value):
                self._visit(schema["items"], item, partners[index], f"{path}[{index}]", found)

    def _members(self, schema: dict[str, Any], value: dict[str, Any], old: Any, path: str, found: Findings) -> None:
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, below in value.items():
            before = old.get(name, ABSENT) if old is not ABSENT else ABSENT
            if name in properties:
                self._visit(properties[name], below, before, join(path, name), found)
            elif isinstance(extra, dict):
                self._visit(extra, below, before, f"{path}[{name}]", found)

    def _evaluate(  # noqa: PLR0917
        self,
        schema: dict[str, Any],
        rules: list[dict[str, Any]],
        value: Any,
        old: Any,
        path: str,
        found: Findings,
        *,
        root: bool,
    ) -> None:
        data = {"self": cel.to_cel(schema, value, root=root)}
        given = old is not ABSENT and old is not None
        if given:
            data["oldSelf"] = cel.to_cel(schema, old, root=root)
        unchanged = given and equal(_comparable(value, root), _comparable(old, root))
        for rule in rules:
            error = self._one(rule, data, given, path, value)
            if error is None:
                continue
            if unchanged:
                found.warnings.append(str(error))
            else:
                found.errors.append(error)

    def _one(self, rule: dict[str, Any], data: dict[str, Any], given: bool, path: str, value: Any) -> FieldError | None:
        text = rule["rule"]
        optional = bool(rule.get("optionalOldSelf"))
        if _OLD.search(text) and not given and not optional:
            return None
        bound = data
        if optional:
            text = cel.with_optional_old(text)
            bound = {"self": data["self"], "oldSelf__given": given, "oldSelf__": data.get("oldSelf")}
        try:
            if cel.evaluate(text, bound) is True:
                return None
            detail = _message(rule, data, given)
        except CelError as error:
            detail = f"{_plainly(str(error))} evaluating rule: {_fallback(rule)}"
        where = path + rule.get("fieldPath", "") if path else rule.get("fieldPath", "").lstrip(".")
        shown = OMITTED if isinstance(value, dict | list) else value
        return FieldError(rule.get("reason") or INVALID, where or "<nil>", detail, shown)


def _comparable(value: Any, root: bool) -> Any:
    if root and isinstance(value, dict):
        return {name: below for name, below in value.items() if name != "metadata"}
    return value


def _fallback(rule: dict[str, Any]) -> str:
    return rule.get("message") or f"failed rule: {rule['rule'].strip()}"


def _message(rule: dict[str, Any], data: dict[str, Any], given: bool) -> str:
    expression = rule.get("messageExpression")
    if not expression:
        return _fallback(rule)
    try:
        if rule.get("optionalOldSelf"):
            bound = {"self": data["self"], "oldSelf__given": given, "oldSelf__": data.get("oldSelf")}
            found = cel.evaluate(cel.with_optional_old(expression), bound)
        else:
            found = cel.evaluate(expression, data)
    except CelError:
        return _fallback(rule)  # a message that cannot be made must not hide the violation
    return found if isinstance(found, str) and found.strip() and "\n" not in found else _fallback(rule)


def _plainly(text: str) -> str:
    """The engine's complaint in the words that users know from clusters."""
    missing = re.search(r'Key not found in map : "([^"]*)"', text)
    if missing:
        return f"no such key: {missing.group(1)}"
    if "divide by zero" in text or "division by zero" in text:
        return "division by zero"
    return text
