"""Loopback addresses for pods: each gets its own, and none is used again before its pod has ended."""

import random
import socket
from collections import deque
from typing import Final

KUBELET_PORT: Final = 10250
FIRST_NETWORK: Final = 16
LAST_NETWORK: Final = 250


class AddressesExhaustedError(Exception):
    """Every address of the node's network is in use by a pod."""


def claim_network() -> tuple[int, socket.socket]:
    """Choose a second octet that no other sandbox on this machine uses.

    Two sandboxes side by side must not give the same address to two pods, so each claims a /16 of the loopback range
    by listening on the kubelet's port of its node address, 127.x.0.1. Returns x and the listening socket.
    Raises `OSError` when no network can be claimed.
    """
    candidates = list(range(FIRST_NETWORK, LAST_NETWORK))
    random.shuffle(candidates)
    problem: OSError | None = None
    for network in candidates:
        claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            claim.bind((f"127.{network}.0.1", KUBELET_PORT))
            claim.listen(128)
        except OSError as refused:
            claim.close()
            problem = refused
            continue
        claim.setblocking(False)
        return network, claim
    raise OSError(f"no free loopback network between 127.{FIRST_NETWORK} and 127.{LAST_NETWORK}: {problem}")


class AddressPool:
    """Hands out 127.x.1.1 to 127.x.254.254, the longest unused first."""

    def __init__(self, network: int) -> None:
        self._free = deque(f"127.{network}.{high}.{low}" for high in range(1, 255) for low in range(1, 255))

    def take(self) -> str:
        """An address that no pod has."""
        if not self._free:
            raise AddressesExhaustedError("every loopback address of the node is in use")
        return self._free.popleft()

    def give_back(self, address: str) -> None:
        """The pod has ended and nothing of it runs any more."""
        self._free.append(address)
