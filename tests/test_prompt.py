"""Prompts: one writer, one order, short enough for a phone; foreign templates stay in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jinja2.exceptions import SecurityError

from harness.conversation import (
    Case,
    Context,
    Conversation,
    Expect,
    Memory,
    Message,
    Profile,
    Session,
    Turn,
)
from harness.engines import embedded_model
from harness.errors import ModelError
from harness.generation import EngineSpec
from harness.knowledge import LANGUAGES, PERSONAS, Language, PersonaId, Tier, knowledge
from harness.prompt import (
    ChatTemplate,
    case_system,
    context_text,
    session_text,
    system_message,
    write_messages,
)

KNOWN = knowledge()
TIERS: tuple[Tier, ...] = ("monitor", "advisor", "coach")
FULL = Context(
    readiness="amber",
    readiness_reason="short sleep two nights",
    confidence="medium",
    cap="Z3",
    session=Session(zone="Z2", minutes=60, structure="easy-steady", sport="run", phase="base"),
)
CONVERSATION = [
    Message("system", "S"),
    Message("user", "U1"),
    Message("assistant", "A1"),
    Message("user", "U2"),
]


def written(
    persona: PersonaId = "balanced",
    language: Language = "en",
    tier: Tier = "coach",
    context: Context = FULL,
) -> str:
    return system_message(persona, language, tier, context, KNOWN).content


def render(source: str, messages: list[Message] = CONVERSATION, **options: Any) -> str:
    return ChatTemplate(source, bos="<s>", eos="</s>").render(messages, **options)


@pytest.mark.parametrize("persona", PERSONAS)
def test_system_message_goes_from_contract_over_persona_to_context(persona: PersonaId) -> None:
    text = written(persona)
    places = [
        text.index("You are Josi"),
        text.index("Answer in English."),
        text.index("You may explain"),
        text.index(KNOWN.personas[persona].style),
        text.index("Readiness: amber"),
    ]
    assert places == sorted(places)
    assert places[0] == 0


def test_memory_and_knowledge_blocks_come_after_the_context() -> None:
    context = Context(
        session="Rest day", memory=Memory(facts=["Runs before work"]), knowledge=["recovery"]
    )
    text = written(context=context)
    places = [text.index(part) for part in ("Session today:", "MEMORY:", "KNOWLEDGE:")]
    assert places == sorted(places)


def test_conversations_that_differ_in_context_share_the_whole_beginning() -> None:
    one, other = written(context=Context(cap="Z1")), written(context=Context(cap="Z5"))
    assert one.partition("Highest zone today: ")[0] == other.partition("Highest zone today: ")[0]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_personas_differ_only_after_contract_language_and_tier(
    language: Language, tier: Tier
) -> None:
    shared = {
        written(persona, language, tier).partition(KNOWN.personas[persona].style)[0]
        for persona in PERSONAS
    }
    assert len(shared) == 1


@pytest.fixture(scope="module")
def tokenizer() -> Iterator[Any]:
    from harness.engines.gguf import GgufEngine

    engine = GgufEngine(EngineSpec(kind="gguf", name="embedded", path=str(embedded_model())))
    yield engine
    engine.close()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("persona", PERSONAS)
def test_system_message_has_at_most_200_tokens_before_its_blocks(
    tokenizer: Any, persona: PersonaId, language: Language, tier: Tier
) -> None:
    assert len(tokenizer.tokenize(written(persona, language, tier))) <= 200


CONTEXT_LINES = [
    pytest.param(Context(), "Session today: none visible", id="nothing"),
    pytest.param(
        FULL,
        "Readiness: amber (short sleep two nights), medium confidence\n"
        "Highest zone today: Z3\n"
        'Session today: Z2 60 min run, "easy-steady" (base phase)',
        id="full",
    ),
    pytest.param(
        Context(readiness="green", session="Rest day"),
        "Readiness: green\nSession today: Rest day",
        id="free-text",
    ),
    pytest.param(
        Context(
            week="Tue rest",
            replan="moved from Monday",
            notes="rain",
            profile=Profile(goal="10 km", age=30),
        ),
        "Session today: none visible\nWeek: Tue rest\nPlan change: moved from Monday\n"
        "Athlete: goal 10 km, age 30\nNotes: rain",
        id="rest",
    ),
    pytest.param(
        Context(memory=Memory(facts=["a", "b"], notes=["c"])),
        "Session today: none visible\nMEMORY:\n- Facts: a | b\n- Notes: c",
        id="memory",
    ),
]


@pytest.mark.parametrize(("context", "lines"), CONTEXT_LINES)
def test_context_is_written_line_by_line(context: Context, lines: str) -> None:
    assert context_text(context, "en", KNOWN) == lines
    assert written(context=context).endswith("\n" + lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_knowledge_card_speaks_the_language_of_the_conversation(language: Language) -> None:
    text = context_text(Context(knowledge=["recovery"]), language, KNOWN)
    assert text.endswith("KNOWLEDGE:\n" + getattr(KNOWN.cards["recovery"].say, language))


def test_session_is_one_line_of_what_is_known() -> None:
    assert session_text(Session(zone="Z4", minutes=45)) == "Z4 45 min"


def test_case_is_written_with_its_own_persona_language_tier_and_context() -> None:
    conversation = Conversation(
        id="memory/a",
        behaviour="memory",
        about="",
        tags=(),
        personas=("balanced", "drill_sergeant"),
        language="nl",
        tier="advisor",
        context=FULL,
        turns=(Turn(user=["Hoi"], expect=Expect()),),
    )
    case = Case(conversation=conversation, persona="drill_sergeant", paraphrase=1)
    assert case_system(case, KNOWN).content == written("drill_sergeant", "nl", "advisor")


def test_messages_alternate_and_end_with_the_turn_that_is_asked() -> None:
    system = Message("system", "S")
    assert write_messages(system, ["U1", "U2", "U3"], ["A1"]) == CONVERSATION


# --- a model's own template ---


def test_template_sees_messages_special_tokens_and_the_generation_prompt() -> None:
    source = (
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m['content'] }}{{ eos_token }}"
        "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    assert render(source, CONVERSATION[:2]) == "<s>[system]S</s>[user]U1</s>[assistant]"


def test_template_can_be_rendered_without_a_generation_prompt() -> None:
    source = "{% if add_generation_prompt %}[assistant]{% endif %}"
    assert render(source, add_generation_prompt=False) == ""


ESCAPES = [
    pytest.param("{{ ''.__class__.__mro__ }}", id="class-of-a-text"),
    pytest.param("{{ cycler.__init__.__globals__ }}", id="globals-of-a-function"),
    pytest.param("{{ ''['__class__']['__mro__'] }}", id="by-subscript"),
    pytest.param("{{ '{0.__class__.__mro__}'.format('') }}", id="by-format"),
    pytest.param("{{ messages.append(1) }}", id="changes-the-messages"),
    pytest.param("{{ raise_exception.__globals__['json'] }}", id="globals-of-our-function"),
]


@pytest.mark.parametrize("source", ESCAPES)
def test_template_that_reaches_for_python_objects_cannot_be_used(source: str) -> None:
    with pytest.raises(ModelError, match="tries to reach Python objects") as caught:
        render(source)
    assert isinstance(caught.value.__cause__, SecurityError)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("[{{ ''.__class__ }}]", id="by-attribute"),
        pytest.param("[{{ ''|attr('__class__')|attr('__mro__') }}]", id="by-filter"),
    ],
)
def test_template_that_only_looks_at_a_python_object_sees_nothing(source: str) -> None:
    assert render(source) == "[]"


FAILING = [
    pytest.param("{{ raise_exception('no system role') }}", "no system role", id="refuses"),
    pytest.param("{{ 1 / (messages|length - 4) }}", "zero", id="arithmetic"),
    pytest.param("{{ messages[9].content }}", "no element 9", id="lookup"),
    pytest.param("{{ messages[0].content + 1 }}", "str", id="type"),
    pytest.param("{{ messages[0].content.index('x') }}", "not found", id="value"),
    pytest.param("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion", id="recursion"),
]


@pytest.mark.parametrize(("source", "told"), FAILING)
def test_template_that_fails_cannot_be_used(source: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        render(source)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{% if %}", id="syntax"),
        pytest.param("{% for m in messages %}", id="unclosed"),
        pytest.param("{{ x | no_such_filter }}", id="unknown-filter"),
        pytest.param("{% generation %}x", id="unclosed-generation"),
    ],
)
def test_template_that_is_no_jinja_cannot_be_used(source: str) -> None:
    with pytest.raises(ModelError, match="not valid Jinja"):
        ChatTemplate(source)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("{{ '<é & \"x\">' | tojson }}", '"<é & \\"x\\">"', id="no-html-escapes"),
        pytest.param("{{ {'b': 1, 'a': [2]} | tojson }}", '{"b": 1, "a": [2]}', id="order-kept"),
        pytest.param("{{ {'a': 1} | tojson(indent=2) }}", '{\n  "a": 1\n}', id="indented"),
        pytest.param("{{ 'é' | tojson(ensure_ascii=true) }}", '"é"', id="further-options"),
        pytest.param("a{% generation %}b{{ messages[0].content }}{% endgeneration %}c", "abSc",
                     id="generation-block"),
        pytest.param("{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}"
                     "{{ m.content }}{% endfor %}", "S", id="loop-controls"),
        pytest.param("{{ strftime_now('%d %b %Y') }}", "01 Jan 2026", id="date-that-never-moves"),
        pytest.param("  {% if true %}\nx\n  {% endif %}\ny", "x\ny", id="blocks-leave-no-blanks"),
        pytest.param("{{ tools is none and documents is none }}", "True", id="no-tools"),
        pytest.param("{{ messages[0].content | replace('S', '<b>') }}", "<b>", id="no-escaping"),
    ],
)  # fmt: skip
def test_template_renders_as_transformers_does(source: str, text: str) -> None:
    assert render(source) == text


def test_template_hash_is_of_its_source() -> None:
    assert ChatTemplate("a").sha256 != ChatTemplate("b").sha256
    assert ChatTemplate("a").sha256 == ChatTemplate("a", bos="<s>").sha256
