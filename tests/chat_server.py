"""A chat server on loopback that answers what a test tells it to: errors, garbage, nothing at all.

The standard library alone; the interface is as much of OpenAI's as the HTTP engine asks for.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request for a reply."""

    number: int
    """0 for the server's first."""
    at: float
    """Monotonic time of its arrival."""
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def user(self) -> str:
        text: str = self.body["messages"][-1]["content"]
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the server does with a request."""

    status: int = 200
    body: object = ""
    """Text as it is; anything else as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    promised: int = 0
    """Bytes that are announced but never sent."""
    hangs_up: bool = False
    """Close the connection instead of answering."""


Answerer = Callable[[Asked], Told]
ONE_MODEL: Sequence[Mapping[str, object]] = ({"id": "tiny", "object": "model"},)


def reply(
    text: object = "Fine.", *, finish: object = "stop", tokens: object = 3, **more: object
) -> dict[str, Any]:
    """A chat completion."""
    return {
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 50, "completion_tokens": tokens, **more},
    }


def answer(asked: Asked) -> Told:
    """Repeat the user's words."""
    return Told(body=reply(f"You said: {asked.user}"))


def in_turn(*told: Told) -> Answerer:
    """Do one thing after another; the last again and again."""
    return lambda asked: told[min(asked.number, len(told) - 1)]


class ChatServer:
    """The running server."""

    def __init__(
        self, answerer: Answerer = answer, *, listing: Told | None = None, key: str = ""
    ) -> None:
        self.answerer, self.key = answerer, key
        self.listing = listing or Told(body={"object": "list", "data": list(ONE_MODEL)})
        self.asked: list[Asked] = []
        self.listed = 0
        self.most = 0
        """Requests for replies that were under way together, at most."""
        self.closing = threading.Event()
        self._now = 0
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def post(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> Told:
        with self._lock:
            asked = Asked(number=len(self.asked), at=time.monotonic(), headers=headers, body=body)
            self.asked.append(asked)
            self._now += 1
            self.most = max(self.most, self._now)
        told = self.answerer(asked)
        self.closing.wait(told.delay_s)
        with self._lock:
            self._now -= 1
        return told

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@contextmanager
def serving(
    answerer: Answerer = answer, *, listing: Told | None = None, key: str = ""
) -> Iterator[ChatServer]:
    """A server for the length of a block."""
    server = ChatServer(answerer, listing=listing, key=key)
    try:
        yield server
    finally:
        server.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is what some tests are about."""


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.listed += 1
            server.closing.wait(server.listing.delay_s)
            self._send(server.listing if self.path == "/v1/models" else Told(status=404))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(server.post({k.lower(): v for k, v in self.headers.items()}, body))

        def _send(self, told: Told) -> None:
            if server.key and self.headers["Authorization"] != f"Bearer {server.key}":
                told = Told(status=401, body={"error": f"not {self.headers['Authorization']}"})
            if told.hangs_up:
                self.close_connection = True
                return
            text = told.body if isinstance(told.body, str) else json.dumps(told.body)
            raw = text.encode()
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw) + told.promised))
            self.end_headers()
            self.wfile.write(raw)
            self.close_connection = bool(told.promised)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
