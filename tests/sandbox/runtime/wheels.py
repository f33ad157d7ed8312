"""A package that is made on the spot, and an index that serves it: what a package index is to the sandbox, offline."""

import asyncio
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

MODULE = """
import http.server, importlib.metadata, json, os, sys
VERSION = importlib.metadata.version("greeter")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": VERSION, "address": self.server.server_address[0], "prefix": sys.prefix,
                           "folder": os.environ.get("GREETINGS", ""), "argv": sys.argv[1:]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
def main():
    http.server.ThreadingHTTPServer((os.environ.get("HOST", "0.0.0.0"), int(sys.argv[1])), Handler).serve_forever()
def hello():
    print("hello from", VERSION, "in", sys.prefix)
"""


def a_wheel(folder: Path, version: str = "1.0", *, requires_python: str = ">=3.8") -> Path:
    """The package `greeter` with the commands `greeter PORT`, a server, and `greet`, which prints a line."""
    info = f"greeter-{version}.dist-info"
    files = {
        "greeter.py": MODULE,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: greeter\nVersion: {version}\n"
        f"Requires-Python: {requires_python}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ngreeter = greeter:main\ngreet = greeter:hello\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"greeter-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    return path


class Index:
    """A package index with one package. While `open` is not set it lets its visitors wait."""

    def __init__(self, wheel: Path) -> None:
        self._wheel = wheel
        self.open = asyncio.Event()
        self.visited = asyncio.Event()
        self.downloads = 0
        self.url = ""

    async def _page(self, _request: web.Request) -> web.Response:
        self.visited.set()
        await self.open.wait()
        return web.Response(text=f'<a href="/{self._wheel.name}">{self._wheel.name}</a>', content_type="text/html")

    async def _file(self, _request: web.Request) -> web.FileResponse:
        self.downloads += 1
        return web.FileResponse(self._wheel)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Index"]:
        """Serve it on a free port of the loopback interface."""
        app = web.Application()
        app.router.add_get("/simple/greeter/", self._page)
        app.router.add_get(f"/{self._wheel.name}", self._file)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0]
            self.url = f"http://{host}:{port}/simple/"
            yield self
        finally:
            await runner.cleanup()
