"""Models, brought to where they are served: from a URI to a folder of read-only files with a known digest.

Runs in the user's namespace, as an init container or a Job, with the user's credentials and network policies. So
nothing here judges addresses as the operator does for URLs in specifications; it refuses what could harm its own node:
names that leave the destination, archives that unfold to more than they may, and anything half.
"""

from slipway.delivery.address import SCHEMES, Address, address, is_loopback
from slipway.delivery.digest import digest_of, tree_digest
from slipway.delivery.docker import DOCKERCONFIGJSON, answering, login_of
from slipway.delivery.errors import (
    AddressError,
    AttestationError,
    CacheError,
    Changed,
    DeliveryError,
    Denied,
    DestinationError,
    DigestMismatch,
    DiskFull,
    Field,
    Incomplete,
    MisconfiguredError,
    NotFound,
    SignatureError,
    TooLarge,
    Unreachable,
    Unsafe,
    UntrustedError,
)
from slipway.delivery.fetching import Options, fetch
from slipway.delivery.place import Artifact
from slipway.delivery.progress import Progress
from slipway.delivery.signatures import Attestation, Signature, Signer
from slipway.delivery.verifying import Checks, Verified, passes, verify
from slipway.delivery.web import OTHER_NAME

__all__ = [
    "DOCKERCONFIGJSON",
    "SCHEMES",
    "Address",
    "AddressError",
    "Artifact",
    "Attestation",
    "AttestationError",
    "CacheError",
    "Checks",
    "Changed",
    "DeliveryError",
    "Denied",
    "DestinationError",
    "DigestMismatch",
    "DiskFull",
    "Field",
    "Incomplete",
    "MisconfiguredError",
    "NotFound",
    "OTHER_NAME",
    "Options",
    "Progress",
    "Signature",
    "SignatureError",
    "Signer",
    "TooLarge",
    "Unreachable",
    "Unsafe",
    "UntrustedError",
    "Verified",
    "address",
    "answering",
    "digest_of",
    "fetch",
    "passes",
    "is_loopback",
    "login_of",
    "tree_digest",
    "verify",
]
