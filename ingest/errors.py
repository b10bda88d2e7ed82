"""Errors that end a command, each with the exit code that the command line promises."""

from __future__ import annotations


class MeterhouseError(Exception):
    """Something that ends the command. The message is one line: what, where, what to do."""

    exit_code: int = 1


class UsageError(MeterhouseError):
    """Bad usage, configuration or input that stops everything (exit code 2)."""

    exit_code = 2


class CheckFailed(MeterhouseError):  # noqa: N818
    """A blocking check failed and stopped the run (exit code 1)."""


class PushIncomplete(MeterhouseError):  # noqa: N818
    """Some approved totals have not reached Stripe yet (exit code 1)."""
