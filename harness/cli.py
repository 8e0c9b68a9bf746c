"""`josi`: what is not a test run. Thin commands over functions that live elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import HarnessError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def josi() -> None:
    """Behaviour of small on-device language models, specified as pytest cases."""


@app.command()
def check(
    path: Annotated[
        Path | None, typer.Argument(help="A golden file or folder; all of golden/.")
    ] = None,
) -> None:
    """Check golden conversations without a model; exit 1 if a file has a mistake."""
    from harness.check import check_files
    from harness.conversation import golden_schema
    from harness.generation import project_root
    from harness.knowledge import knowledge

    root = project_root() / "golden"
    place = (path or root).resolve()
    if not place.exists():
        typer.echo(f"{path} does not exist", err=True)
        raise typer.Exit(4)
    if place.is_file():
        paths, root = [place], place.parent.parent
    else:
        paths = sorted(p for p in place.rglob("*.yaml") if not p.name.startswith("_"))
        root = place if path is not None and list(place.glob("*/*.yaml")) else place.parent
        root = place if path is None else root
    schema = root / "schema.json"
    if not schema.exists() or schema.read_text(encoding="utf-8") != golden_schema():
        schema.write_text(golden_schema(), encoding="utf-8")
        typer.echo(f"wrote {schema}")
    try:
        errors, disagreements = check_files(paths, root, knowledge())
    except HarnessError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(4) from error
    for mistake in errors:
        typer.echo(f"error: {mistake}")
    for disagreement in disagreements:
        typer.echo(f"graders disagree: {disagreement}")
    typer.echo(
        f"{len(paths)} files: {len(errors)} with mistakes, {len(disagreements)} example replies "
        "that the graders judge otherwise"
    )
    raise typer.Exit(1 if errors else 0)


@app.command()
def grade(
    source: Annotated[Path, typer.Argument(help="Recorded replies, JSONL.")],
    target: Annotated[Path, typer.Argument(help="Where the verdicts go, JSONL.")],
) -> None:
    """Grade recorded replies, one line of verdicts for each."""
    import json

    from harness.labelled import read_recorded, verdict

    try:
        with target.open("w", encoding="utf-8") as out:
            for row in read_recorded(source):
                told = {"id": row.id, "grades": verdict(row.exchange())}
                out.write(json.dumps(told, ensure_ascii=False) + "\n")
    except (HarnessError, OSError) as error:
        typer.echo(f"{error}; verdicts so far are in {target}", err=True)
        raise typer.Exit(4) from error


@app.command()
def calibrate(
    source: Annotated[Path, typer.Argument(help="Labelled replies, JSONL.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """Measure how far the graders agree with labels, and keep the figures for every report."""
    import json

    from harness.calibrate import AGREEMENT, agreement, judge_rows, table, write_agreement
    from harness.labelled import read_recorded

    try:
        judged = judge_rows(read_recorded(source, may_be_torn=True))
    except HarnessError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(4) from error
    if not judged:
        typer.echo(f"{source}: no row has labels; josi grade takes rows without", err=True)
        raise typer.Exit(4)
    figures = agreement(judged)
    # What josi review asks about is chosen for being hard: no measure of the graders at large.
    hard = any(one.row.grader for one in judged)
    kept = f"not kept in {AGREEMENT}: replies that graders were unsure of or failed"
    if not hard:
        write_agreement(figures, source)
        kept = str(AGREEMENT)
    typer.echo(json.dumps(figures) if as_json else "\n".join([*table(figures), kept]))


@app.command()
def review(
    run: Annotated[
        Path | None, typer.Argument(help="A run folder; the newest under reports/.")
    ] = None,
    *,
    labels: Annotated[
        Path | None, typer.Option(help="Where verdicts go; reviews/labels.jsonl.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The reader's; git's user.name, else $USER.")
    ] = None,
    only_list: Annotated[
        bool, typer.Option("--list", help="Print what waits, as without a terminal.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what waits, as JSON alone.")
    ] = False,
) -> None:
    """Read what graders left open and failures that stop a run, one key a verdict."""
    import json
    import os
    import sys
    from datetime import UTC, datetime

    from harness.generation import project_root
    from harness.knowledge import knowledge
    from harness.provenance import git_user
    from harness.review import LABELS, read_readings
    from harness.review_queue import (
        Golden,
        Session,
        newest_run,
        read_run,
        readers_name,
        waiting,
    )
    from harness.review_screen import listing, read_all

    root = project_root()
    try:
        folder = run or newest_run(root / "reports")
        path = labels or root / LABELS
        queue = waiting(read_run(folder), read_readings(path))
        if as_json:
            told = {"run": str(folder), "labels": str(path)}
            typer.echo(json.dumps({**told, "waiting": [one.record() for one in queue]}))
        elif only_list or not queue or not (sys.stdin.isatty() and sys.stdout.isatty()):
            typer.echo("\n".join(listing(folder, queue)))
        else:
            session = Session(
                queue,
                path,
                name=readers_name(name, os.environ, git_user(root)),
                golden=Golden(root / "golden", knowledge()),
                now=lambda: datetime.now(UTC),
            )
            read_all(session, sys.stdin.fileno(), sys.stdout)
    except HarnessError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(4) from error


def main() -> None:
    """Run the command line."""
    app()
