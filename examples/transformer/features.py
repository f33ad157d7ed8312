"""A transformer: makes the model's features of what clients send, in the order that the model was fitted with.

It speaks the Open Inference Protocol V2 to both sides. Requests hold the tensors ``features``, raw and in the order of
``RAW``, and ``country``. Columns that ``COLUMNS`` names become the model's ``features``, in that order; a country that
is not among them is passed on as a tensor of its own. Everything but an inference is passed on as it came: the model's
readiness is the transformer's.

    COLUMNS=hour,amount SLIPWAY_PREDICTOR_URL=http://127.0.0.1:8080 python examples/transformer/features.py

| variable | what it says |
|---|---|
| `SLIPWAY_PREDICTOR_URL` | where the model is; Slipway says it |
| `SLIPWAY_PIPELINE_VERSION` | told with every answer, in the header `pipeline-version`; Slipway says it |
| `COLUMNS` | the model's columns, by name, in their order |
| `COUNTRIES` | how many countries the table of this version knows; another one is an error |
| `HOST`, `PORT` | where to listen; 0.0.0.0 and 9000 |
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, web

RAW: Final = ("amount", "account_age_days", "payments_last_hour", "distance_km", "hour")
COUNTRY: Final = "country"
VERSION_HEADER: Final = "pipeline-version"
PASSED_ON: Final = ("content-type", "model-version")
TIMEOUT: Final = ClientTimeout(total=10)
IDLE_SECONDS: Final = 120
"""Longer than gateways keep idle connections: who closes first must be the side that sends next."""


class NotKnownError(ValueError):
    """A request that the table of this version has nothing for."""


def transformed(request: dict[str, Any], columns: Sequence[str], countries: int | None) -> dict[str, Any]:
    """The request as the model takes it. Raises NotKnownError, and KeyError or TypeError for a request that is none."""
    tensors = {tensor["name"]: tensor for tensor in request["inputs"]}
    country = tensors[COUNTRY]["data"]
    strange = [code for code in country if countries is not None and not 0 <= code < countries]
    if strange:
        raise NotKnownError(f"country {strange[0]} is not in the table")
    width = len(RAW)
    rows = [tensors["features"]["data"][start : start + width] for start in range(0, width * len(country), width)]
    named = [dict(zip((*RAW, COUNTRY), (*row, code), strict=True)) for row, code in zip(rows, country, strict=True)]
    features = {
        "name": "features",
        "shape": [len(named), len(columns)],
        "datatype": tensors["features"]["datatype"],
        "data": [row[column] for row in named for column in columns],
    }
    rest = [] if COUNTRY in columns else [tensors[COUNTRY]]
    return {**request, "inputs": [features, *rest]}


class Transformer:
    """The server."""

    def __init__(self, predictor: str, version: str, columns: Sequence[str], countries: int | None) -> None:
        self._predictor = predictor.rstrip("/")
        self._version = version
        self._columns = columns
        self._countries = countries
        self._session: ClientSession | None = None

    async def connected(self, _app: web.Application) -> AsyncIterator[None]:
        """Keeps connections to the model for as long as the server runs."""
        async with ClientSession(timeout=TIMEOUT) as session:
            self._session = session
            yield

    async def answer(self, request: web.Request) -> web.Response:
        """What the model says of the transformed request, with both versions."""
        body = await request.read()
        try:
            if request.method == "POST" and request.path.endswith("/infer"):
                document = transformed(await request.json(), self._columns, self._countries)
                return await self._asked(request, json=document)
            return await self._asked(request, data=body)
        except NotKnownError as error:
            return self._said({"error": str(error)}, 500)
        except (KeyError, TypeError, ValueError) as error:
            return self._said({"error": f"not a request: {error!r}"}, 400)
        except (ClientError, TimeoutError) as error:
            return self._said({"error": f"the model does not answer: {error!r}"}, 502)

    async def _asked(self, request: web.Request, **body: Any) -> web.Response:
        assert self._session is not None  # noqa: S101 - the server runs
        async with self._session.request(request.method, f"{self._predictor}{request.path_qs}", **body) as answer:
            headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
            said = web.Response(body=await answer.read(), status=answer.status, headers=headers)
        said.headers[VERSION_HEADER] = self._version
        return said

    def _said(self, document: dict[str, Any], status: int) -> web.Response:
        return web.json_response(document, status=status, headers={VERSION_HEADER: self._version})


def main() -> None:
    """Serve until a signal."""
    countries = os.environ.get("COUNTRIES")
    transformer = Transformer(
        os.environ["SLIPWAY_PREDICTOR_URL"],
        os.environ.get("SLIPWAY_PIPELINE_VERSION", ""),
        os.environ["COLUMNS"].split(","),
        int(countries) if countries else None,
    )
    app = web.Application()
    app.cleanup_ctx.append(transformer.connected)
    app.router.add_route("*", "/{path:.*}", transformer.answer)
    host, port = os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "9000"))
    web.run_app(app, host=host, port=port, keepalive_timeout=IDLE_SECONDS, print=None, access_log=None)


if __name__ == "__main__":
    main()
