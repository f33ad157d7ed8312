"""What can go wrong between the operator and the API server.

```
ClusterError
├── Unauthorized   the credentials were refused, also after they were renewed (401)
├── Forbidden      RBAC or an admission plugin says no (403)
├── NotServed      the API has no such resource: the CRD is missing, or this version of it (404 for the kind)
├── AlreadyExists  a create found the name taken (409)
├── Conflict       the object changed since it was read, or is gone or going (409, 404, 403 while a namespace ends)
├── Invalid        the server understood and refused: schema, CEL, immutable field (400, 405, 413, 415, 422)
│   └── Undeclared a definition is older than the operator, and lacks a field of what was applied (500)
├── Throttled      come back later (429)
├── NotLeading     another replica leads: nothing was sent
└── Unavailable    nobody can say whether it happened: connection, timeout, cut-off answer, 5xx, expired list (410)
```

The tree is cut by what the caller does next: look again (Conflict), tell the user (Invalid, Forbidden, NotServed), wait
(Throttled, Unavailable), or stop (Unauthorized). Every message names the verb, the kind, the object and the server's
reason.
"""

from __future__ import annotations

from dataclasses import dataclass


class ClusterError(Exception):
    """The API server could not do, or did not want to do, what it was asked for."""


class Unauthorized(ClusterError):
    """The API server does not accept the operator's credentials."""


class Forbidden(ClusterError):
    """The operator may not do this: a role lacks a rule, or an admission plugin refused."""


class NotServed(ClusterError):
    """The API has no such resource; the CRD is not installed, or not in this version."""


class AlreadyExists(ClusterError):
    """An object of this name is there already."""


class Conflict(ClusterError):
    """The object has changed since it was read, or is gone: read it again and decide again."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with an object: where, and what."""

    field: str
    """The field's path, as the server writes it; empty when it names none."""
    message: str


class Invalid(ClusterError):
    """The server refuses the object as it is. Trying again changes nothing."""

    def __init__(self, message: str, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(message)
        self.causes = causes


class Undeclared(Invalid):
    """A definition lacks a field of what was applied, so that the server refused all of it: the CRD is older than the
    operator."""


class Throttled(ClusterError):
    """The server asks for patience."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds to wait before the next try."""


class Unavailable(ClusterError):
    """No answer, half an answer, or an answer that blames the server. A write may or may not have happened."""


class NotLeading(ClusterError):
    """This replica does not lead, and wrote nothing: the one that leads decides."""
