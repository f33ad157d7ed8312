"""The points at which a built-in kind differs from the common course of a write."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import fieldsets
from slipway_sandbox.apiserver.errors import FieldError
from slipway_sandbox.apiserver.fieldsets import FieldSet
from slipway_sandbox.apiserver.names import subdomain_problem


class Hooks:
    """The plain kind; others override what is different. All methods change objects in place or only look."""

    generation = False
    """Whether the kind counts changes of its spec in `metadata.generation`."""
    keeps_status = False
    """Whether a create may set the status."""
    unconditional_update = True
    """Whether a PUT without a resource version is taken."""
    create_on_update = False
    """Whether a PUT to a name that does not exist creates it."""
    checks_metadata_again = False
    """Whether an update is told what is wrong with its metadata once more, as for kinds whose check is one for both."""

    def name_rule(self, name: str) -> str:
        return subdomain_problem(name)

    def default(self, obj: dict[str, Any]) -> None:
        """Fill in the fields that the user left out."""

    def for_create(self, obj: dict[str, Any]) -> None:
        """Set what the server decides about a new object."""

    def for_update(self, new: dict[str, Any], old: dict[str, Any]) -> None:
        """Take back what the main endpoint may not change."""

    def for_status_update(self, new: dict[str, Any], old: dict[str, Any]) -> None:
        """Take back what the status endpoint may not change: everything but the status and some metadata."""
        for name in list(new):
            if name not in {"status", "metadata", "apiVersion", "kind"}:
                del new[name]
        new.update({name: value for name, value in old.items() if name not in {"status", "metadata"}})
        for name in ("labels",):
            if name in old["metadata"]:
                new["metadata"][name] = old["metadata"][name]
            else:
                new["metadata"].pop(name, None)

    def for_delete(self, old: dict[str, Any]) -> dict[str, Any] | None:
        """What a deletion makes of the object, or None for what it does to any kind."""
        _ = old
        return None

    def spec_changed(self, new: dict[str, Any], old: dict[str, Any]) -> bool:
        return bool(new.get("spec") != old.get("spec"))

    def validate_in_group(self, obj: dict[str, Any], group: str) -> list[FieldError]:
        """What one of the groups that show these objects asks for on top."""
        _ = obj, group
        return []

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        """What is wrong with an object by itself."""
        _ = obj
        return []

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """What is wrong with a new object, beyond what holds for every version of it."""
        _ = obj
        return []

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """What is wrong with a change."""
        _ = new, old
        return []

    def validate_status(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """What is wrong with a change of the status."""
        _ = new, old
        return []

    def warn(self, obj: dict[str, Any]) -> list[str]:
        """What a user should know of an object that is taken nevertheless."""
        _ = obj
        return []

    def warn_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[str]:
        """What a user should know of a change that is taken nevertheless."""
        _ = old
        return self.warn(new)

    def ignored_by_status(self) -> FieldSet:
        """Fields that the status endpoint does not write, for ownership."""
        return {"f:spec": fieldsets.leaf()}
