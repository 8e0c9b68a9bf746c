"""Any OpenAI-compatible chat server (vLLM, TGI, llama-server, llama_cpp.server) as an engine.

Engine of the generation stage: as many conversations at a time as `parallel` says, each in a thread
that asks its next turn as soon as it has the last reply. What is decoded together is the server's
affair. Loops are not stopped: a whole reply comes at once, and its tokens are not known here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, NamedTuple

import httpx

from harness.engines.server import API_KEY, Server, read_json
from harness.errors import EngineError, ModelError
from harness.generation import (
    Answer,
    Dialogue,
    EngineSpec,
    Finish,
    ModelInfo,
    Reply,
    Sampling,
    request_seed,
)
from harness.provenance import sha256_json

_REQUESTS = "1"
"""To be raised when what is sent changes, because replies may change with it."""
_CHAT = "/chat/completions"
_MOMENTARY = ("created", "permission", "permissions", "status")
"""What a server may say differently of the same model: vLLM and llama-server create it anew."""
_FINISHES: dict[object, Finish] = {"stop": "stop", "length": "length"}
_TOO_LONG = re.compile(
    r"context[ _-]?(length|size|window)"  # vLLM, llama-server, llama_cpp.server, SGLang
    r"|`inputs` (tokens|must have less than)",  # TGI
    re.IGNORECASE,
)


class _Talk(NamedTuple):
    """The replies of one dialogue, and how many requests were sent again for them."""

    replies: list[Reply]
    again: int


class HttpEngine:
    """One model of one server.

    Raises:
        ModelError: if the server does not answer or lacks the model.
    """

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        self.retries = 0
        self._server = Server(spec.path, connections=spec.parallel)
        try:
            said = self._server.find(spec.name)
        except ModelError:
            self._server.close()
            raise
        self.info = ModelInfo(
            engine="http",
            engine_version=_REQUESTS,
            architecture="",
            quantisation="",
            template_sha256=None,
            context_tokens=0,
            listing_sha256=listing_hash(spec.path, said),
        )

    def load(self) -> None:
        """Nothing to load: the server has."""

    def generate(
        self, dialogues: Sequence[Dialogue], sampling: Sampling, tick: Callable[[int], None]
    ) -> Iterator[Answer]:
        """Answer a group; with `sampling.exact`, one request at a time."""
        stopped = threading.Event()
        with ThreadPoolExecutor(1 if sampling.exact else self._spec.parallel) as pool:
            talks = {
                pool.submit(self._talk, dialogue, sampling, stopped): index
                for index, dialogue in enumerate(dialogues)
            }
            try:
                for ended in as_completed(talks):
                    talk = ended.result()
                    self.retries += talk.again
                    tick(sum(reply.tokens for reply in talk.replies))
                    for turn, reply in enumerate(talk.replies):
                        yield Answer(talks[ended], turn, reply)
            finally:
                stopped.set()
                pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Close all connections."""
        self._server.close()

    def _talk(self, dialogue: Dialogue, sampling: Sampling, stopped: threading.Event) -> _Talk:
        replies: list[Reply] = []
        again = 0
        for _ in dialogue.users:
            body = self._body(dialogue, [reply.text for reply in replies], sampling)
            posted = self._server.post(_CHAT, body, stopped)
            again += posted.again
            replies.append(self._reply(posted.response, dialogue.max_tokens))
            if replies[-1].finish == "overflow":
                break
        return _Talk(replies, again)

    def _body(
        self, dialogue: Dialogue, replies: Sequence[str], sampling: Sampling
    ) -> dict[str, object]:
        messages = dialogue.messages(replies)
        body: dict[str, object] = {
            "model": self._spec.name,
            "messages": [message._asdict() for message in messages],
            "max_tokens": dialogue.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": request_seed(sampling, dialogue.sample, messages),
        }
        if sampling.min_p > 0:  # not in OpenAI's own interface
            body["min_p"] = sampling.min_p
        return body

    def _reply(self, response: httpx.Response, limit: int) -> Reply:
        """Read an answer.

        Raises:
            EngineError: if it is not a whole reply.
        """
        place = f"{self._server.url}{_CHAT}"
        if response.status_code in (400, 422) and _TOO_LONG.search(
            response.content.decode(errors="replace")
        ):
            return _overflow()
        if response.status_code != 200:
            raise EngineError(
                f"{place} refused model={self._spec.name!r} with {self._server.told(response)}; "
                f"{_advice(response.status_code)}"
            )
        try:
            answer = read_json(response)
            choice = answer["choices"][0]
            finish = _FINISHES[choice["finish_reason"]]
            text = _text(choice["message"]["content"])
            usage = answer["usage"]
            prompt, tokens = _count(usage["prompt_tokens"]), _count(usage["completion_tokens"])
            details = usage.get("prompt_tokens_details") or {}
            cached = _count(details.get("cached_tokens") or 0)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise EngineError(
                f"{place} answered no whole chat completion ({self._server.safe(repr(error))}), "
                f"but {self._server.told(response)}; choices[0] needs message.content and the "
                "finish_reason stop or length, usage its token counts"
            ) from error
        if finish == "length" and tokens < limit:
            # Cut before our limit: by the end of the context.
            return _overflow(prompt)
        return Reply(
            text=text, finish=finish, prompt_tokens=prompt, cached_tokens=cached, tokens=tokens
        )


def listing_hash(url: str, said: Mapping[str, Any]) -> str:
    """Hash all by which a server's model can be known; its name is the `id` in what is said."""
    lasting = {key: value for key, value in said.items() if key not in _MOMENTARY}
    return sha256_json([url, lasting])


def _overflow(prompt_tokens: int = 0) -> Reply:
    """A prompt that does not fit the context; most servers do not tell its length."""
    return Reply(text="", finish="overflow", prompt_tokens=prompt_tokens, cached_tokens=0, tokens=0)


def _text(value: Any) -> str:
    """A reply's text; halves of signs, which JSON can carry and no file can, become U+FFFD."""
    if not isinstance(value, str):
        raise TypeError("content is no text")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError(f"{value!r} is no count of tokens")
    return value


def _advice(status: int) -> str:
    if status in (401, 403):
        return f"give the server's key in the environment: {API_KEY}"
    if status == 404:
        return "see that the server still has the model"
    return "see that this is an OpenAI-compatible server, and what its log says"
