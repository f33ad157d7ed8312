"""A real browser for a page: Chromium without a window, asked over its DevTools protocol.

It has a profile of its own, resolves no name, and is ended with the test that began it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-port=0",
)
PATIENCE = 60.0


def executable() -> str | None:
    """The browser on this machine, or the one that SLIPWAY_CHROMIUM names."""
    named = os.environ.get("SLIPWAY_CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Tab:
    """A tab: what it asked for and complained of, and answers to JavaScript that is evaluated in it."""

    socket: aiohttp.ClientWebSocketResponse
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, **parameters: Any) -> Any:
        """A command of the protocol; events that come meanwhile are noted."""
        number = next(self._numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def open(self, page: Path, *, width: int, dark: bool = False) -> None:
        """Show a file, and wait until it is loaded."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call("Page.navigate", url=page.as_uri())
        while (await self._next()).get("method") != "Page.loadEventFired":
            pass

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def _next(self) -> Any:
        message = await asyncio.wait_for(self.socket.receive_json(), PATIENCE)
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            case "Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.complaints.append(str(message["params"]))
        return message


@contextlib.asynccontextmanager
async def a_tab(profile: Path) -> AsyncIterator[Tab]:
    """A browser with one tab, until the block ends."""
    browser = executable()
    assert browser is not None
    process = await asyncio.create_subprocess_exec(
        browser,
        *SWITCHES,
        f"--user-data-dir={profile}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await asyncio.wait_for(_port(profile / "DevToolsActivePort", process), PATIENCE)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                target = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                yield tab
                with contextlib.suppress(asyncio.TimeoutError, TypeError):
                    await tab.call("Browser.close")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE)


async def _port(written: Path, process: asyncio.subprocess.Process) -> str:
    """The port that the browser chose, once it has written it down."""
    while True:
        assert process.returncode is None, f"the browser ended with {process.returncode}"
        lines = _lines(written)
        if len(lines) >= 2:
            return lines[0]
        await asyncio.sleep(0.05)


def _lines(written: Path) -> list[str]:
    return written.read_text().splitlines() if written.exists() else []
