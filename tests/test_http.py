"""Replies of a server are the server's own, asked for patiently, or there are none."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.engines import open_engine, resolve_model
from harness.engines.process import Opened
from harness.errors import EngineError, ModelError, UsageError
from harness.generation import Dialogue, EngineSpec, Reply, Sampling, request_seed
from harness.options import read_options
from tests.chat_server import Answerer, Asked, ChatServer, Told, answer, in_turn, reply
from tests.tiny_gguf import write_random

if TYPE_CHECKING:
    from harness.engines.http import HttpEngine

GREEDY = Sampling()
KEY = "sk-josi-0123456789abcdef"
Replies = dict[tuple[int, int], Reply]
Serve = Callable[..., ChatServer]


@pytest.fixture(autouse=True)
def _quick_and_local(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key and no proxy of whoever runs the tests, and hardly a wait before a second try."""
    for name in ("JOSI_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr("harness.engines.server.BACKOFF_S", 0.01)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts scripted servers, which end with the test."""
    servers: list[ChatServer] = []

    def start(answerer: Answerer = answer, **options: Any) -> ChatServer:
        servers.append(ChatServer(answerer, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@contextmanager
def opened(url: str, name: str = "tiny", *, parallel: int = 4) -> Iterator[HttpEngine]:
    """The engine of a model, closed at the end."""
    from harness.engines.http import HttpEngine

    made = HttpEngine(EngineSpec(kind="http", name=name, path=url, parallel=parallel))
    made.load()
    with closing(made):
        yield made


def dialogue(*users: str, sample: int = 0, max_tokens: int = 24) -> Dialogue:
    return Dialogue(
        id="d", sample=sample, system="You are Josi.", users=users, max_tokens=max_tokens
    )


def ask(
    server: ChatServer,
    group: Sequence[Dialogue],
    sampling: Sampling = GREEDY,
    *,
    parallel: int = 4,
) -> Replies:
    with opened(server.url, parallel=parallel) as engine:
        return replies(engine, group, sampling)


def replies(engine: HttpEngine, group: Sequence[Dialogue], sampling: Sampling = GREEDY) -> Replies:
    found: Replies = {}
    for told in engine.generate(group, sampling, lambda _: None):
        assert (told.dialogue, told.turn) not in found
        found[told.dialogue, told.turn] = told.reply
    return found


# A real server


GROUP = [dialogue(f"Question {i}?", "Why is that?", "And then?") for i in range(3)]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of llama_cpp.server with a tiny random model of 512 tokens' context."""
    folder = tmp_path_factory.mktemp("llama")
    model = write_random(folder / "tiny.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--model_alias", "tiny",
        "--host", "127.0.0.1", "--port", str(port), "--n_ctx", "512", "--n_threads", "1",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        limit = time.monotonic() + 60
        while not _answers(port):
            log_text = (folder / "log").read_text(errors="replace")
            assert server.poll() is None, log_text
            assert time.monotonic() < limit, log_text
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_every_turn_is_answered_by_llama_cpp_server(llama: str) -> None:
    with opened(llama) as engine:
        found = replies(engine, GROUP)
    assert set(found) == {(place, turn) for place in range(3) for turn in range(3)}
    assert all(told.text for told in found.values())


def test_a_greedy_run_of_llama_cpp_server_repeats(llama: str) -> None:
    with opened(llama) as engine:
        assert replies(engine, GROUP) == replies(engine, GROUP)


def test_a_later_turn_follows_the_models_own_earlier_replies(llama: str) -> None:
    import httpx

    with opened(llama) as engine:
        found = replies(engine, GROUP[:1])
    body = {
        "model": "tiny",
        "max_tokens": 24,
        "temperature": 0,
        "top_p": 1,
        "messages": [
            {"role": "system", "content": "You are Josi."},
            {"role": "user", "content": "Question 0?"},
            {"role": "assistant", "content": found[0, 0].text},
            {"role": "user", "content": "Why is that?"},
            {"role": "assistant", "content": found[0, 1].text},
            {"role": "user", "content": "And then?"},
        ],
    }
    again = httpx.post(f"{llama}/chat/completions", json=body).json()
    assert again["choices"][0]["message"]["content"].strip() == found[0, 2].text


def test_sampled_replies_of_llama_cpp_server_repeat_with_their_seed(llama: str) -> None:
    with opened(llama) as engine:
        first, again, other = (
            replies(engine, GROUP, Sampling(temperature=1.0, seed=seed)) for seed in (1, 1, 2)
        )
    assert first == again != other


def test_a_reply_at_its_limit_has_all_its_tokens(llama: str) -> None:
    with opened(llama) as engine:
        (told,) = replies(engine, [dialogue("Question 0?", max_tokens=5)]).values()
    assert (told.finish, told.tokens) == ("length", 5)


@pytest.mark.parametrize(
    "length",
    [pytest.param(600, id="prompt-too-long"), pytest.param(430, id="no-room-for-the-reply")],
)
def test_what_does_not_fit_llama_cpp_servers_context_overflows(llama: str, length: int) -> None:
    long = replace(dialogue("u", "u", max_tokens=100), system="s" * length)
    with opened(llama) as engine:
        found = replies(engine, [long, GROUP[0]])
    assert [told.finish for place, told in found.items() if place[0] == 0] == ["overflow"]
    assert found[1, 0].text


# What is sent


def test_a_request_holds_the_messages_and_the_settings(serve: Serve) -> None:
    server = serve()
    sampling = Sampling(temperature=0.7, top_p=0.9, min_p=0.05, seed=3)
    asked = dialogue("Hello", sample=2, max_tokens=77)
    ask(server, [asked], sampling)
    assert server.asked[0].body == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "You are Josi."},
            {"role": "user", "content": "Hello"},
        ],
        "max_tokens": 77,
        "temperature": 0.7,
        "top_p": 0.9,
        "min_p": 0.05,
        "seed": request_seed(sampling, 2, asked.messages([])),
    }


def test_min_p_is_sent_only_where_it_is_set(serve: Serve) -> None:
    server = serve()
    ask(server, [dialogue("Hello")], Sampling(temperature=0.7))
    assert "min_p" not in server.asked[0].body


def test_every_turn_and_sample_has_a_seed_of_its_own(serve: Serve) -> None:
    server = serve()
    ask(server, [dialogue("a", "b"), dialogue("a", "b", sample=1)], Sampling(temperature=1))
    assert len({asked.body["seed"] for asked in server.asked}) == 4


def test_the_next_turn_holds_the_reply_without_its_outer_spaces(serve: Serve) -> None:
    server = serve(in_turn(Told(body=reply(" one\n")), Told(body=reply("two"))))
    found = ask(server, [dialogue("a", "b")])
    assert found[0, 0].text == "one"
    assert server.asked[1].body["messages"][2] == {"role": "assistant", "content": "one"}


def test_the_key_goes_into_the_header(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOSI_API_KEY", f" {KEY}\n")
    server = serve(key=KEY)
    ask(server, [dialogue("a")])
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_no_authorization_is_sent(serve: Serve) -> None:
    server = serve()
    ask(server, [dialogue("a")])
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize("key", ["sk\njosi-secret", "jösi-secret"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("JOSI_API_KEY", key)
    with pytest.raises(ModelError, match="JOSI_API_KEY holds a sign") as told, opened(serve().url):
        pass
    assert "secret" not in str(told.value)


# How much at a time


def test_no_more_requests_run_together_than_asked_for(serve: Serve) -> None:
    server = serve(lambda _: Told(body=reply(), delay_s=0.05))
    ask(server, [dialogue("a", "b") for _ in range(8)], parallel=3)
    assert server.most == 3


def test_exact_is_one_request_at_a_time(serve: Serve) -> None:
    server = serve(lambda _: Told(body=reply(), delay_s=0.01))
    ask(server, [dialogue("a", "b") for _ in range(4)], Sampling(exact=True))
    assert server.most == 1


def test_a_next_turn_does_not_wait_for_other_conversations(serve: Serve) -> None:
    released = threading.Event()

    def answerer(asked: Asked) -> Told:
        if asked.user == "slow":
            assert released.wait(10)
        if asked.user == "second":
            released.set()
        return Told(body=reply())

    ask(serve(answerer), [dialogue("slow"), dialogue("first", "second")], parallel=2)
    assert released.is_set()


def test_completion_tokens_are_told_as_they_come(serve: Serve) -> None:
    ticks: list[int] = []
    with opened(serve().url) as engine:
        list(engine.generate([dialogue("a", "b")] * 2, GREEDY, ticks.append))
    assert ticks == [6, 6]


# Patience


FINE = Told(body=reply())
PASSING = [
    pytest.param(Told(status=429), id="429"),
    pytest.param(Told(status=500), id="500"),
    pytest.param(Told(status=503), id="503"),
    pytest.param(Told(hangs_up=True), id="disconnect"),
    pytest.param(Told(body=reply(), promised=9), id="cut-off"),
    pytest.param(Told(body=reply(), delay_s=1), id="slow"),
]


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read time-outs after a fifth of a second."""
    monkeypatch.setattr("harness.engines.server.READ_S", 0.2)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("trouble", PASSING)
def test_passing_trouble_is_tried_again_and_counted(serve: Serve, trouble: Told) -> None:
    with opened(serve(in_turn(trouble, trouble, FINE)).url) as engine:
        assert replies(engine, [dialogue("a")])[0, 0].text == "Fine."
        assert engine.retries == 2


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("trouble", PASSING)
def test_lasting_trouble_ends_after_four_tries(serve: Serve, trouble: Told) -> None:
    server = serve(lambda _: trouble)
    with pytest.raises(EngineError, match="failed after 4 tries"):
        ask(server, [dialogue("a")])
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        pytest.param(
            Told(status=500, body="out of memory"),
            r"/v1/chat/completions failed.*status 500 'out of memory'; see that the server runs",
            id="500",
        ),
        pytest.param(
            Told(status=429, body="too many"), r"status 429 'too many'; .*--parallel", id="429"
        ),
        pytest.param(
            Told(hangs_up=True), r"the connection failed \(.*see that the server runs", id="gone"
        ),
    ],
)
def test_lasting_trouble_is_told_with_url_status_and_a_way_out(
    serve: Serve, trouble: Told, told: str
) -> None:
    server = serve(lambda _: trouble)
    with pytest.raises(EngineError, match=told) as error:
        ask(server, [dialogue("a")])
    assert server.url in str(error.value)
    assert "run the same command again" in str(error.value)


def _between(server: ChatServer) -> float:
    return server.asked[1].at - server.asked[0].at


def test_each_wait_is_about_twice_the_one_before(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.server.BACKOFF_S", 0.1)
    server = serve(in_turn(Told(status=500), Told(status=500), Told(status=500), FINE))
    ask(server, [dialogue("a")])
    first, second, third = (
        later.at - earlier.at for earlier, later in itertools.pairwise(server.asked)
    )
    assert 0.05 <= first <= 0.25
    assert 0.1 <= second <= 0.4
    assert 0.2 <= third <= 0.7


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_a_server_asks_for_is_kept(serve: Serve, status: int) -> None:
    server = serve(in_turn(Told(status=status, headers={"Retry-After": "0.5"}), FINE))
    ask(server, [dialogue("a")])
    assert 0.5 <= _between(server) < 2


def test_a_wait_may_be_given_as_a_date(serve: Serve) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)  # whole seconds
    server = serve(in_turn(Told(status=429, headers={"Retry-After": at}), FINE))
    ask(server, [dialogue("a")])
    assert 0.5 <= _between(server) < 3


@pytest.mark.parametrize("asked", ["soon", "-5", "1e9", ""])
def test_a_wait_that_cannot_be_read_is_none(serve: Serve, asked: str) -> None:
    server = serve(in_turn(Told(status=429, headers={"Retry-After": asked}), FINE))
    ask(server, [dialogue("a")])
    assert _between(server) < 1


def test_a_server_that_asks_for_hours_is_given_up_at_once(serve: Serve) -> None:
    server = serve(lambda _: Told(status=429, headers={"Retry-After": "7200"}))
    with pytest.raises(EngineError, match=r"failed after 1 try.*to be asked in 7200 s"):
        ask(server, [dialogue("a")])


def test_after_a_failure_nothing_more_is_asked(serve: Serve) -> None:
    def answerer(asked: Asked) -> Told:
        return Told(status=404) if asked.user == "bad" else Told(body=reply(), delay_s=0.3)

    server = serve(answerer)
    group = [dialogue("bad"), dialogue(*"abcdefghij"), *[dialogue("d")] * 20]
    with pytest.raises(EngineError, match="status 404"):
        ask(server, group, parallel=2)
    assert len(server.asked) < 5


def test_after_a_failure_the_engine_answers_the_next_group(serve: Serve) -> None:
    server = serve(in_turn(Told(status=404), FINE))
    with opened(server.url) as engine:
        with pytest.raises(EngineError):
            replies(engine, [dialogue("a")])
        assert replies(engine, [dialogue("a")])[0, 0].text == "Fine."


# Never a made-up reply


def _without(*path: str | int) -> dict[str, Any]:
    """A chat completion that lacks a field."""
    whole = reply()
    found: Any = whole
    for part in path[:-1]:
        found = found[part]
    del found[path[-1]]
    return whole


GARBAGE: dict[str, object] = {
    "html": "<html>It works!</html>",
    "empty": "",
    "no-object": [1, 2],
    "an-error-with-status-200": {"error": {"message": "no such model"}},
    "no-choice": reply() | {"choices": []},
    "no-text": _without("choices", 0, "message", "content"),
    "null-text": reply(None),
    "parts": reply([{"type": "text", "text": "Fine."}]),
    "no-finish": _without("choices", 0, "finish_reason"),
    "tool-call": reply(finish="tool_calls"),
    "filtered": reply(finish="content_filter"),
    "odd-finish": reply(finish=["stop"]),
    "no-usage": _without("usage"),
    "no-count": reply(tokens=None),
    "odd-count": reply(tokens="3"),
    "negative-count": reply(tokens=-1),
    "huge-count": reply(tokens=10**30),
    "odd-details": reply(prompt_tokens_details="none"),
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_whole_reply_is_engine_trouble(serve: Serve, body: object) -> None:
    server = serve(lambda _: Told(body=body))
    with pytest.raises(EngineError, match=r"/v1/chat/completions answered no whole chat complet"):
        ask(server, [dialogue("a")])
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "status 400 'no'; see that this is an OpenAI-compatible server"),
        (401, "status 401 'no'; give the server's key .* JOSI_API_KEY"),
        (403, "status 403 'no'; give the server's key .* JOSI_API_KEY"),
        (404, "status 404 'no'; see that the server still has the model"),
        (307, "status 307 'no'"),
    ],
)
def test_a_refusal_is_engine_trouble_at_once(serve: Serve, status: int, told: str) -> None:
    server = serve(lambda _: Told(status=status, body="no"))
    with pytest.raises(EngineError, match=f"refused model='tiny' with {told}"):
        ask(server, [dialogue("a")])
    assert len(server.asked) == 1


def test_an_empty_reply_is_a_reply(serve: Serve) -> None:
    found = ask(serve(lambda _: Told(body=reply(""))), [dialogue("a")])
    assert (found[0, 0].text, found[0, 0].finish) == ("", "stop")


def test_counts_come_from_the_servers_usage(serve: Serve) -> None:
    body = reply(tokens=7, prompt_tokens_details={"cached_tokens": 32})
    (told,) = ask(serve(lambda _: Told(body=body)), [dialogue("a")]).values()
    assert (told.prompt_tokens, told.cached_tokens, told.tokens) == (50, 32, 7)


def test_half_a_sign_becomes_one_that_files_can_hold(serve: Serve) -> None:
    server = serve(lambda _: Told(body=reply("run \ud83c or \ud83c\udfc3")))
    (told,) = ask(server, [dialogue("a")]).values()
    assert told.text == "run \ufffd or \U0001f3c3"


TOO_LONG: dict[str, Told] = {
    "vllm": Told(
        status=400,
        body={
            "object": "error",
            "message": "This model's maximum context length is 512 tokens. However, you requested "
            "700 tokens (540 in the messages, 160 in the completion).",
        },
    ),
    "llama-server": Told(
        status=400,
        body={
            "error": {
                "code": 400,
                "message": "request (700 tokens) exceeds the available context size (512 tokens)",
                "type": "exceed_context_size_error",
            }
        },
    ),
    "openai": Told(status=400, body={"error": {"code": "context_length_exceeded"}}),
    "tgi": Told(
        status=422,
        body={
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 512. "
            "Given: 540 `inputs` tokens and 160 `max_new_tokens`",
        },
    ),
    "reply-cut": Told(body=reply("Fi", finish="length", tokens=9)),
}


@pytest.mark.parametrize("told", TOO_LONG.values(), ids=TOO_LONG)
def test_a_full_context_ends_its_conversation_alone(serve: Serve, told: Told) -> None:
    server = serve(lambda asked: told if asked.user == "long" else answer(asked))
    found = ask(server, [dialogue("a", "long", "b"), dialogue("c")])
    assert {place: given.finish for place, given in found.items()} == {
        (0, 0): "stop",
        (0, 1): "overflow",
        (1, 0): "stop",
    }
    assert found[0, 1].text == ""


# Opening


def test_a_url_becomes_a_specification_without_asking() -> None:
    spec = resolve_model("http://h.example:81/v1/#org/Model-1b:q4", parallel=7, threads=2)
    assert spec == EngineSpec(
        kind="http", name="org/Model-1b:q4", path="http://h.example:81/v1", parallel=7, threads=2
    )


def test_https_is_a_server_too() -> None:
    assert resolve_model("HTTPS://H.example/v1#m").path == "https://h.example/v1"


def test_the_only_model_need_not_be_named(serve: Serve) -> None:
    assert resolve_model(serve().url).name == "tiny"


def _listing(*names: str) -> Told:
    return Told(body={"data": [{"id": name} for name in names]})


@pytest.mark.parametrize(
    ("listing", "name", "told"),
    [
        pytest.param(_listing("b", "a"), "", r"has 'a', 'b': say which.*/v1#model-name", id="two"),
        pytest.param(_listing(), "", "has no model: say which", id="none"),
        pytest.param(
            _listing("tiny", "big"),
            "tinny",
            r"has no model 'tinny', but 'big', 'tiny'\. Did you mean 'tiny'\?",
            id="wrong-model",
        ),
        pytest.param(Told(status=401), "tiny", "status 401.*: JOSI_API_KEY", id="no-key"),
        pytest.param(Told(status=404), "tiny", "status 404.*lack /v1", id="no-v1"),
        pytest.param(Told(status=503, body="loading"), "tiny", "503 'loading'.*ready", id="loads"),
        pytest.param(Told(body="<html>"), "tiny", "no list of models.*<html>", id="html"),
        pytest.param(Told(body={"data": ["a"]}), "tiny", "no list of models", id="names-alone"),
        pytest.param(Told(body={"data": None}), "tiny", "no list of models", id="null"),
        pytest.param(Told(hangs_up=True), "tiny", "/v1/models did not answer", id="hangs-up"),
    ],
)
def test_a_server_without_the_model_is_refused_with_a_way_out(
    serve: Serve, listing: Told, name: str, told: str
) -> None:
    server = serve(listing=listing)
    with pytest.raises(ModelError, match=told):
        open_engine(resolve_model(f"{server.url}#{name}"))
    assert server.listed == 1


def test_a_server_that_is_not_there_is_refused_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # never listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        began = time.monotonic()
        with pytest.raises(ModelError, match=f"{url}/models did not answer.*start the server"):
            resolve_model(url)
    assert time.monotonic() - began < 2


@contextmanager
def _trickling() -> Iterator[str]:
    """A server that sends a byte every tenth of a second, and never a whole answer."""
    ended = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not ended.wait(0.1):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            ended.set()
            thread.join()


def test_a_silent_server_is_refused_in_under_five_seconds(serve: Serve) -> None:
    server = serve(listing=Told(delay_s=30))
    began = time.monotonic()
    with pytest.raises(ModelError, match="did not answer within"):
        resolve_model(server.url)
    assert time.monotonic() - began < 5


def test_a_trickling_server_is_refused_in_under_five_seconds() -> None:
    with _trickling() as url:
        began = time.monotonic()
        with pytest.raises(ModelError, match="did not answer within"):
            resolve_model(url)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "url",
    [
        "http://josi:pass-word@127.0.0.1:9/v1#m",
        "http://pass-word@127.0.0.1:9/v1",
        "https://127.0.0.1:9/v1?api_key=pass-word#m",
        "http://josi:pass-word#1@127.0.0.1:9/v1",
        "http://:pass-word@/v1",
        "http:pass-word@127.0.0.1/v1",
    ],
)
def test_a_url_with_a_secret_in_it_is_refused_unseen(url: str) -> None:
    with pytest.raises(ModelError) as told:
        resolve_model(url)
    assert "pass-word" not in str(told.value)


@pytest.mark.parametrize("url", ["http://", "http:///v1", "http://h:port/v1", "http:h"])
def test_what_is_no_url_is_refused_with_the_form(url: str) -> None:
    with pytest.raises(ModelError, match="expected http://host:port/v1#model-name"):
        resolve_model(url)


@pytest.mark.parametrize("option", ["adapter", "chat_template"])
def test_a_server_takes_neither_adapter_nor_template(tmp_path: Path, option: str) -> None:
    given = {option: str(tmp_path)}
    named = f"--{option.replace('_', '-')} .* cannot be given to a server"
    with pytest.raises(ModelError, match=named):
        resolve_model("http://127.0.0.1:9/v1#m", **given)


def test_without_httpx_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    for module in ("harness.engines.server", "harness.engines.http"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ModelError, match=r"pip install 'josi-evals\[http\]'"):
        resolve_model("http://127.0.0.1:9/v1#m")


def test_a_server_is_asked_from_the_engine_process(serve: Serve) -> None:
    process = Opened(resolve_model(serve().url))
    process.process.close()
    assert (process.info.engine, process.info.template_sha256) == ("http", None)


def test_a_wrong_model_is_a_usage_error_across_the_process_boundary(serve: Serve) -> None:
    with pytest.raises(UsageError, match="has no model 'big'"):
        Opened(resolve_model(f"{serve().url}#big"))


@pytest.mark.parametrize(
    ("model", "runners", "refused"),
    [
        ("http://h/v1#m", 2, True),
        ("http://h/v1#m", 1, False),
        ("http://h/v1#m", None, False),
        ("m.gguf", 2, False),
    ],
)
def test_exact_and_several_runners_do_not_go_together_on_a_server(
    model: str, runners: int | None, *, refused: bool
) -> None:
    option = Namespace(
        model=model, exact=True, numprocesses=runners, adapter=None, chat_template=None,
        samples=1, confirm=20, threads=1, parallel=16, temperature=0.0, top_p=1.0, min_p=0.0,
        max_tokens=None, processes=None, seed=0, golden=None, reports=None, no_store=False,
        no_loop_stop=False, persona=[], language=[], labels=None,
    )  # fmt: skip
    if refused:
        with pytest.raises(UsageError, match=r"--exact asks a server .* leave out -n"):
            read_options(option, workers=1)
    else:
        assert read_options(option, workers=1).settings.sampling.exact


# What the store knows a server's model by


def _hash(url: str, name: str, entry: dict[str, object]) -> str:
    """The hash that an engine gives a model; nothing is sent."""
    from harness.engines.http import listing_hash

    return listing_hash(url, {"id": name, **entry})


URL = "http://h/v1"
ENTRY: dict[str, object] = {"max_model_len": 512, "created": 1, "permission": [{"id": "p1"}]}


@pytest.mark.parametrize(
    ("url", "name", "entry"),
    [
        pytest.param("http://other/v1", "m", ENTRY, id="url"),
        pytest.param(URL, "n", ENTRY, id="name"),
        pytest.param(URL, "m", ENTRY | {"max_model_len": 1024}, id="listing"),
    ],
)
def test_another_model_is_known_by(url: str, name: str, entry: dict[str, object]) -> None:
    assert _hash(url, name, entry) != _hash(URL, "m", ENTRY)


def test_what_a_listing_says_of_the_moment_is_not_the_models() -> None:
    assert _hash(URL, "m", ENTRY | {"created": 2, "permission": [{"id": "p2"}]}) == _hash(
        URL, "m", ENTRY
    )
