"""One OpenAI-compatible server: its address, the models it lists, requests that are tried again.

Beneath the HTTP engine: knows of URLs, statuses and waiting, nothing of dialogues.
"""

from __future__ import annotations

import json
import os
import queue
import random
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx

from harness.errors import EngineError, ModelError, hint

API_KEY = "JOSI_API_KEY"
"""Environment variable that holds the key; it goes into a header and nowhere else."""
CONNECT_S = 5.0
READ_S = 120.0
OPEN_S = 4.5
"""All that opening may take, name look-up and a trickling answer included."""
TRIES = 4
BACKOFF_S = 1.0
"""Wait before the second try, give or take half; doubled before each further one."""
PATIENCE_S = 120.0
"""Longest wait that a server may ask for."""
_FORM = "expected http://host:port/v1#model-name, or https"
_BUSY = "give the server fewer conversations at a time (--parallel)"
_DOWN = "see that the server runs, and what its log says"


class Address(NamedTuple):
    """Where a server is, up to and with `/v1`, and which of its models is meant."""

    url: str
    model: str


class Posted(NamedTuple):
    """An answer (any status but 429 and 5xx), and how often the request was sent again for it."""

    response: httpx.Response
    again: int


def read_address(text: str) -> Address:
    """Split `http://host:port/v1#model-name`; the name may be missing.

    Raises:
        ModelError: if it is no such URL, or holds a secret; what may be secret is not repeated.
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ModelError(f"--model is no URL that can be asked; {_FORM}") from error
    plain = f"{url.scheme}://{url.host}"
    if not url.host:
        raise ModelError(f"--model {plain!r} names no host; {_FORM}")
    if url.userinfo or url.query:
        raise ModelError(
            f"--model {plain!r} holds a user name, password or query, which would end in reports; "
            f"leave it out and give a key in the environment: {API_KEY}"
        )
    path = url.path.rstrip("/")
    return Address(str(url.copy_with(path=path or "/", fragment=None)).rstrip("/"), url.fragment)


class _Trouble(NamedTuple):
    """Why a request got no answer, what to do, and the wait in seconds that was asked for."""

    what: str
    advice: str
    asked_s: float = 0.0


class Server:
    """The server at a URL.

    Args:
        url: as in `Address`.
        connections: most requests at a time.

    Raises:
        ModelError: if the key cannot be sent.
    """

    def __init__(self, url: str, *, connections: int = 1) -> None:
        self.url = url
        self._key = os.environ.get(API_KEY, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise ModelError(
                f"{API_KEY} holds a sign that no header can carry; set it to the key alone"
            )
        self._draw = random.Random()
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    def find(self, name: str) -> dict[str, Any]:
        """What the server says of a model; of its only one, if `name` is ''.

        Raises:
            ModelError: if it does not answer in time, or has no such model.
        """
        place = f"{self.url}/models"
        response = self._list(place)
        if response.status_code != 200:
            raise ModelError(f"{place} answered {self.told(response)}; {_open_advice(response)}")
        try:
            listed = {str(entry["id"]): dict(entry) for entry in read_json(response)["data"]}
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"{place} answered no list of models, but {self.told(response)}; see that this is "
                f"an OpenAI-compatible server; {_FORM}"
            ) from error
        names = ", ".join(repr(one) for one in sorted(listed)[:20]) or "no model"
        if name in listed:
            return listed[name]
        if name:
            raise ModelError(f"{self.url} has no model {name!r}, but {names}.{hint(name, listed)}")
        if len(listed) != 1:
            raise ModelError(
                f"{self.url} has {names}: say which, as --model '{self.url}#model-name'"
            )
        return next(iter(listed.values()))

    def post(self, path: str, body: Mapping[str, object], stopped: threading.Event) -> Posted:
        """Send a request; again after a lost connection, a time-out, 429 and 5xx, up to four times.

        Args:
            path: below the URL.
            body: sent as JSON.
            stopped: ends the waiting, once nobody needs the answer.

        Raises:
            EngineError: if no answer came that is worth reading.
        """
        place = f"{self.url}{path}"
        again = 0
        while True:
            if stopped.is_set():
                raise EngineError(f"{place} was not asked: another conversation has failed")
            got = self._ask(place, body)
            if isinstance(got, httpx.Response):
                return Posted(got, again)
            if again + 1 >= TRIES or got.asked_s > PATIENCE_S:
                tries = "1 try" if again == 0 else f"{again + 1} tries"
                raise EngineError(
                    f"{place} failed after {tries}, at last: {got.what}; {got.advice}, then run "
                    "the same command again: replies so far are kept"
                )
            pause_s = BACKOFF_S * 2**again * self._draw.uniform(0.5, 1.5)
            stopped.wait(max(pause_s, got.asked_s))
            again += 1

    def told(self, response: httpx.Response) -> str:
        """Status and beginning of an answer, for a message; the key is never part of it."""
        text = self.safe(response.content.decode(errors="replace"))
        return f"status {response.status_code} {text!r}"

    def safe(self, text: str) -> str:
        """A text that goes into a message, without the key and at most 200 signs long."""
        flat = " ".join(text.replace(self._key, "***").split() if self._key else text.split())
        return flat[:200]

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _ask(self, place: str, body: Mapping[str, object]) -> httpx.Response | _Trouble:
        """Send a request once; trouble is what may pass."""
        try:
            response = self._client.post(place, json=body)
        except httpx.ConnectTimeout:
            return _Trouble(f"no connection within {CONNECT_S:.0f} s", _DOWN)
        except httpx.TimeoutException:
            return _Trouble(f"no answer within {READ_S:.0f} s", _BUSY)
        except httpx.TransportError as error:
            why = self.safe(str(error) or type(error).__name__)
            return _Trouble(f"the connection failed ({why})", _DOWN)
        except httpx.HTTPError as error:
            raise EngineError(
                f"{place} answered what cannot be read ({self.safe(str(error))}); see that this "
                "is an OpenAI-compatible server"
            ) from error
        if response.status_code != 429 and response.status_code < 500:
            return response
        asked_s = _retry_after_s(response)
        what = self.told(response) + (f", to be asked in {asked_s:.0f} s" if asked_s else "")
        return _Trouble(what, _BUSY if response.status_code == 429 else _DOWN, asked_s)

    def _list(self, place: str) -> httpx.Response:
        # In a thread, because the time-outs of a socket cover neither name look-up nor the whole.
        got: queue.SimpleQueue[httpx.Response | httpx.HTTPError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                got.put(self._client.get(place, timeout=OPEN_S - 0.5))
            except httpx.HTTPError as error:
                got.put(error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            found = got.get(timeout=OPEN_S)
        except queue.Empty:
            found = httpx.ReadTimeout("")
        if isinstance(found, httpx.Response):
            return found
        why = self.safe(str(found) or type(found).__name__)
        raise ModelError(
            f"{place} did not answer within {OPEN_S} s ({why}); start the server, or wait while it "
            f"is busy with other requests; {_FORM}"
        )


def read_json(response: httpx.Response) -> Any:
    """The JSON value of an answer.

    Raises:
        ValueError: if it is none.
    """
    return json.loads(response.content)


def _open_advice(response: httpx.Response) -> str:
    if response.status_code in (401, 403):
        return f"give the server's key in the environment: {API_KEY}"
    if response.status_code == 404:
        return f"{_FORM}: does the path lack /v1?"
    return f"see that the server is ready; {_FORM}"


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds that a server asks to wait, given as a number or a date; 0 without."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - datetime.now(UTC)).total_seconds(), 0.0)
