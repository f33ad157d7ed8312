"""Reading golden sets: from a ConfigMap or an address, each version once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from slipway.api import GoldenSetKeys
from slipway.cluster import CONFIG_MAP, Cluster
from slipway.outside import Outside
from slipway.probes import (
    BodySchema,
    Format,
    GoldenSet,
    GoldenSetError,
    InferenceProtocol,
    load_golden_set,
    read_golden_set,
)
from slipway.rollout import GoldenRequest

KEPT_CHARACTERS: Final = 4 * 1024 * 1024
"""Text of parsed golden sets that is kept between looks: four of the largest ConfigMaps, or hundreds of usual ones."""

MAX_FETCHED: Final = 4 * 1024 * 1024
"""Bytes of a golden set at an address: what is kept between looks."""

FETCH_SECONDS: Final = 10.0
"""Seconds for fetching one: a slow server must not keep everything else waiting."""

FRESH_SECONDS: Final = 60.0
"""How long what was fetched counts as what is there."""

FORMATS: Final = {"JSONLines": Format.JSON_LINES, "CSV": Format.CSV, "Parquet": Format.PARQUET}


@dataclass(frozen=True, slots=True)
class _Kept:
    golden: GoldenSet
    size: int
    until: float


class Datasets:
    """Golden sets that were read. Holds no state that matters: they are kept only to save work."""

    def __init__(self, cluster: Cluster, outside: Outside, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._outside = outside
        self._monotonic = monotonic
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    async def read(
        self, namespace: str, request: GoldenRequest, protocol: InferenceProtocol, *, requests: str | None = None
    ) -> GoldenSet:
        """The golden set of a metric, for inputs of a protocol and requests that match a schema. Raises GoldenSetError
        and ClusterError."""
        source = request.source
        if source.config_map is not None:
            return await self._of_config_map(namespace, request, source.config_map, protocol, requests)
        key = (namespace, source.url, source.format, source.tolerance, protocol, requests, request.labelled)
        kept = self._known(key)
        if kept is not None:
            return kept
        field = f"{request.field}.url"
        form = FORMATS[source.format] if source.format is not None else None
        try:
            loaded = await load_golden_set(
                source.url or "",
                self._outside,
                namespace=namespace,
                form=form,
                limit=MAX_FETCHED,
                timeout=FETCH_SECONDS,
            )
        except GoldenSetError as error:
            raise GoldenSetError(f"{field}: {error}") from None
        golden = await asyncio.to_thread(
            read_golden_set,
            loaded.data,
            schema=None,
            where=field,
            form=loaded.form,
            protocol=protocol,
            requests=BodySchema(requests) if requests is not None else None,
            tolerance=source.tolerance,
            version=loaded.version,
            labelled=request.labelled,
        )
        self._keep(key, _Kept(golden, len(loaded.data), self._monotonic() + FRESH_SECONDS))
        return golden

    async def _of_config_map(
        self,
        namespace: str,
        request: GoldenRequest,
        keys: GoldenSetKeys,
        protocol: InferenceProtocol,
        requests: str | None,
    ) -> GoldenSet:
        field = f"{request.field}.configMap"
        found = await self._cluster.get(CONFIG_MAP, namespace, keys.name)
        if found is None:
            raise GoldenSetError(f"{field}: ConfigMap {namespace}/{keys.name} does not exist: create it")
        data: Mapping[str, str] = found.get("data") or {}
        for name, key in (("key", keys.key), ("schemaKey", keys.schema_key)):
            if key is not None and key not in data:
                known = ", ".join(sorted(data)) or "no key"
                raise GoldenSetError(
                    f"{field}.{name}: ConfigMap {namespace}/{keys.name} has no key {key!r} (it has {known})"
                )
        source = request.source
        version = (found["metadata"]["uid"], found["metadata"]["resourceVersion"], keys.key, keys.schema_key)
        identity = (version, source.format, source.tolerance, protocol, requests, request.labelled)
        kept = self._known(identity)
        if kept is not None:
            return kept
        # A large set takes a second to read, in which nothing else would be looked at.
        golden = await asyncio.to_thread(
            read_golden_set,
            data[keys.key],
            schema=data[keys.schema_key] if keys.schema_key else None,
            where=f"{field}: ConfigMap {namespace}/{keys.name}, key {keys.key}",
            form=FORMATS[source.format or "JSONLines"],
            protocol=protocol,
            requests=BodySchema(requests) if requests is not None else None,
            tolerance=source.tolerance,
            labelled=request.labelled,
        )
        self._keep(identity, _Kept(golden, len(data[keys.key]), float("inf")))
        return golden

    def _known(self, key: Hashable) -> GoldenSet | None:
        kept = self._kept.get(key)
        if kept is None or self._monotonic() >= kept.until:
            return None
        self._kept.move_to_end(key)
        return kept.golden

    def _keep(self, key: Hashable, kept: _Kept) -> None:
        """Remember a golden set, and forget those that have not been asked for longest."""
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while sum(one.size for one in self._kept.values()) > KEPT_CHARACTERS:
            self._kept.popitem(last=False)
