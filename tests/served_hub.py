"""A hub of models on this machine, with an empty cache before it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants as hub_constants
import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """A hub of one model, which serves the files of a folder; `fault` answers every question, `torn` cuts files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault: tuple[int, dict[str, str]] | None = None
        self.torn: set[str] = set()
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def files(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *given: Any) -> None:
        self.hub = hub
        super().__init__(*given)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.hub.asked.append(self.path)
        if self.hub.fault is not None:
            status, headers = self.hub.fault
            return self._send(status, b"", headers, body=body)
        if self.path.startswith("/api/models/") and "/tree/" in self.path:
            listed = [
                {"type": "file", "path": name, "oid": "0" * 40, "size": self._size(name)} for name in self.hub.files()
            ]
            return self._send(200, json.dumps(listed).encode(), {"Content-Type": "application/json"}, body=body)
        if self.path.startswith("/api/models/"):
            siblings = [{"rfilename": name} for name in self.hub.files()]
            told = {"id": "owner/name", "sha": COMMIT, "siblings": siblings, "cardData": {"license": "openrail"}}
            return self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"}, body=body)
        name = self.path.split(f"/resolve/{COMMIT}/")[-1]
        if not (self.hub.folder / name).is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, body=body)
        content = (self.hub.folder / name).read_bytes()
        headers = {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT, "Content-Type": "application/octet-stream"}
        return self._send(200, content, headers, body=body, torn=name in self.hub.torn)

    def _size(self, name: str) -> int:
        return (self.hub.folder / name).stat().st_size

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool, torn: bool = False) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content[: len(content) // 2] if torn else content)
        if torn:
            self.close_connection = True


@contextmanager
def serving(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub of a folder's model, asked instead of the real one."""
    served = Hub(folder)
    monkeypatch.setattr(hub_constants, "ENDPOINT", served.url)
    monkeypatch.setattr(
        hub_constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(hub_constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_constants, "HF_HUB_DISABLE_XET", True)
    yield served
    served.server.shutdown()
    served.server.server_close()
