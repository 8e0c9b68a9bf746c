"""Loads the harness into pytest; it sleeps unless `--model` is given."""

pytest_plugins = ["harness.plugin"]
