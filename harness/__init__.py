"""Josi evals: behaviour of small on-device language models, specified as pytest cases."""

__version__ = "0.1.0"
