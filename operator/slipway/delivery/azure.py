"""Azure's storage by addresses that name the account, as MLflow keeps them: ``wasbs://`` and ``abfss://``. Pure.

``az://container/path`` names none, so AZURE_STORAGE_ACCOUNT_NAME says which account is meant. Here the address says it,
and nothing else may: a variable for another account would have other bytes fetched under the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from slipway.delivery.errors import MisconfiguredError

_CLOUDS: Final = ("core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net")
"""Domains of Azure's clouds. Tokens go to no other host because an address says so."""

_LOCATED: Final = re.compile(
    r"(?:wasbs?|abfss?)://(?P<container>[^@/]+)@(?P<account>[a-z0-9]{3,24})\.(?:blob|dfs)\.(?P<cloud>"
    + "|".join(map(re.escape, _CLOUDS))
    + r")/(?P<path>.*)",
    re.DOTALL,
)
_NAME: Final = "AZURE_STORAGE_ACCOUNT_NAME"
_ENDPOINTS: Final = ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
_KEYS: Final = (
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
)
"""Credentials of one account. Those of identities are of as many as the identity may read."""


@dataclass(frozen=True, slots=True)
class Located:
    """A container and a path in an account."""

    account: str
    cloud: str
    uri: str
    """``az://container/path``."""

    @classmethod
    def read(cls, uri: str) -> Self | None:
        """What an address with an account names; None for any other one."""
        found = _LOCATED.fullmatch(uri)
        return cls(found["account"], found["cloud"], f"az://{found['container']}/{found['path']}") if found else None

    def settings(self, variables: Mapping[str, str]) -> dict[str, str]:
        """What the client is told beside the variables, and in their place.

        An endpoint that is none of Azure's own, such as an emulator's, stays: it says how storage is reached, not which
        account is meant. Raises MisconfiguredError where the key that is given is that of another account.
        """
        named = variables.get(_NAME, self.account)
        if named != self.account and any(variables.get(name) for name in _KEYS):
            raise MisconfiguredError(
                f"the files are in the account {self.account}, and the key given is of another one, which {_NAME} "
                f"names: give a key of {self.account}, or an identity that may read it"
            )
        endpoint = next((variables[name] for name in _ENDPOINTS if variables.get(name)), "")
        if endpoint and not (urlsplit(endpoint).hostname or "").endswith(_CLOUDS):
            return {"account_name": self.account}
        return {"account_name": self.account, "endpoint": f"https://{self.account}.blob.{self.cloud}"}
