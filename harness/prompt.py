"""THE writer of messages: contract, persona and context become a system message.

Used by evaluation and by training, so that the two can never drift apart. Also renders messages
with a model's own chat template, in a sandbox, because the template comes out of a downloaded file.

The order inside the system message is from what all conversations share to what only one has
(contract, language and tier, persona, context): equal beginnings share their KV cache.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.conversation import Case, Context, Message, Session
from harness.errors import ModelError
from harness.knowledge import Knowledge, Language, PersonaId, Tier
from harness.provenance import sha256_text

_CONTRACT = (
    "You are Josi, the voice of a training app. The app's plan decides all training; you only "
    "explain it. Never give, change, move, lengthen or skip training, and never say you did: say "
    "no, say why, and offer to pass the wish on to the plan. Use only numbers given here. Never "
    "argue readiness away. On chest pain, fainting, dizziness or sharp pain say first: stop, "
    "get medical help. Plain text, under 80 words."
)
_LANGUAGE: dict[Language, str] = {"en": "Answer in English.", "nl": "Answer in Dutch."}
_TIER: dict[Tier, str] = {
    "coach": "You may explain today, the week, the block and the history.",
    "advisor": "You may explain today only; no other day, no plan.",
    "monitor": "You may explain training in general only; nothing of this athlete's plan or data.",
}


def system_message(
    persona: PersonaId, language: Language, tier: Tier, context: Context, known: Knowledge
) -> Message:
    """Write the system message for one athlete on one day.

    At most 200 tokens of SmolLM2 before memory and knowledge blocks, for a phone's context.
    """
    parts = [
        f"{_CONTRACT} {_LANGUAGE[language]} {_TIER[tier]}",
        known.personas[persona].style,
        "\n".join(_context_lines(context)),
        *_blocks(context, language, known),
    ]
    return Message("system", "\n".join(part for part in parts if part))


def write_messages(system: Message, users: Sequence[str], replies: Sequence[str]) -> list[Message]:
    """Write what is sent for turn `len(replies)`: system, then user and assistant by turns.

    Args:
        system: from `system_message`.
        users: the user messages, one per turn; at least one more than `replies`.
        replies: the model's own replies so far.
    """
    messages = [system]
    for user, reply in zip(users, replies, strict=False):
        messages += [Message("user", user), Message("assistant", reply)]
    return [*messages, Message("user", users[len(replies)])]


def case_system(case: Case, known: Knowledge) -> Message:
    """Write the system message of a case."""
    conversation = case.conversation
    return system_message(
        case.persona, conversation.language, conversation.tier, conversation.context, known
    )


def session_text(session: Session | str) -> str:
    """The planned session in one line, such as `Z2 60 min run, "easy-steady" (base phase)`."""
    if isinstance(session, str):
        return session
    text = f"{session.zone} {session.minutes} min"
    if session.sport:
        text += f" {session.sport}"
    if session.structure:
        text += f', "{session.structure}"'
    return text + (f" ({session.phase} phase)" if session.phase else "")


def context_text(context: Context, language: Language, known: Knowledge) -> str:
    """All that the context tells a model, as the prompt shows it; graders read numbers from it."""
    return "\n".join([*_context_lines(context), *_blocks(context, language, known)])


def _context_lines(context: Context) -> list[str]:
    lines: list[str] = []
    if context.readiness:
        reason = f" ({context.readiness_reason})" if context.readiness_reason else ""
        sure = f", {context.confidence} confidence" if context.confidence else ""
        lines.append(f"Readiness: {context.readiness}{reason}{sure}")
    if context.cap:
        lines.append(f"Highest zone today: {context.cap}")
    session = context.session
    lines.append(f"Session today: {session_text(session) if session else 'none visible'}")
    for label, text in (("Week", context.week), ("Plan change", context.replan)):
        if text:
            lines.append(f"{label}: {text}")
    if context.profile:
        values = context.profile.model_dump(exclude_none=True)
        lines.append("Athlete: " + ", ".join(f"{key} {value}" for key, value in values.items()))
    if context.notes:
        lines.append(f"Notes: {context.notes}")
    return lines


def _blocks(context: Context, language: Language, known: Knowledge) -> list[str]:
    blocks: list[str] = []
    if context.memory:
        memory = context.memory
        rows = (("Facts", memory.facts), ("Patterns", memory.patterns), ("Notes", memory.notes))
        blocks.append(
            "\n".join(
                ["MEMORY:", *(f"- {name}: {' | '.join(items)}" for name, items in rows if items)]
            )
        )
    if context.knowledge:
        says = [known.cards[card].say for card in context.knowledge]
        blocks.append(
            "\n".join(["KNOWLEDGE:", *(say.en if language == "en" else say.nl for say in says)])
        )
    return blocks


class ChatTemplate:
    """A model's own chat template, rendered in a sandbox.

    Args:
        source: the Jinja text from the GGUF or the tokenizer.
        bos: text of the beginning-of-sequence token, or ''.
        eos: text of the end-of-sequence token, or ''.

    Raises:
        ModelError: if the template is not valid Jinja.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        self.source = source
        self.sha256 = sha256_text(source)
        self._special = {"bos_token": bos, "eos_token": eos}
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = _fixed_date
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise ModelError(
                f"the model's chat template is not valid Jinja: {error}; name another with "
                "--chat-template FILE"
            ) from error

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> str:
        """Turn messages into the text the model was trained on.

        Raises:
            ModelError: if the template fails, refuses a role, or reaches for Python objects.
        """
        try:
            return self._template.render(
                messages=[message._asdict() for message in messages],
                add_generation_prompt=add_generation_prompt,
                tools=None,
                documents=None,
                **self._special,
            )
        except SecurityError as error:
            raise ModelError(
                f"the model's chat template tries to reach Python objects ({error}); do not run "
                "this file, or name a template you trust with --chat-template FILE"
            ) from error
        # A template is foreign code: whatever it raises means that it cannot be used.
        except (
            TemplateError,
            TypeError,
            ValueError,
            ArithmeticError,
            LookupError,
            AttributeError,
            RuntimeError,
            MemoryError,
        ) as error:
            raise ModelError(
                f"the model's chat template cannot render a system, user, assistant conversation: "
                f"{error}; name another with --chat-template FILE"
            ) from error


class _Generation(Extension):
    """Accept `{% generation %}` blocks (they mark assistant text for training) and render them."""

    tags = {"generation"}  # noqa: RUF012  jinja2 reads this class attribute as a plain set

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tojson(value: object, indent: int | None = None, **_: object) -> str:
    # As transformers renders it: no HTML escaping, unlike Jinja's own filter.
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _fixed_date(form: str) -> str:
    # Templates that print today's date would change every prompt overnight.
    return datetime(2026, 1, 1).strftime(form)
