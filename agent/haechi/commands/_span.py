"""A span of the audit as people name it: whole Korean days, or instants."""

from __future__ import annotations

import datetime as dt

import click

from haechi.domain.audit import instant
from haechi.domain.registry import KST, begins, ends
from haechi.ports.recorded import Span
from haechi.words import say


def span_of(start: str | None, end: str | None) -> Span:
    """From the first instant of ``start`` until after the last of ``end``. Raises ``click.BadParameter``."""
    first, last = _moment(start, "--from"), _moment(end, "--to")
    span = Span(instant(begins(first)) if first else None, instant(ends(last)) if last else None)
    if span.start and span.end and span.start >= span.end:
        raise click.BadParameter(say("replay.empty-span", start=start, end=end), param_hint="--to")
    return span


def last_days(count: int, now: dt.datetime) -> tuple[str, str]:
    """The first and the last of so many Korean days, today included, as a person would write them."""
    today = now.astimezone(KST).date()
    return (today - dt.timedelta(days=count - 1)).isoformat(), today.isoformat()


def _moment(text: str | None, option: str) -> dt.date | dt.datetime | None:
    if text is None:
        return None
    from haechi.outbound.trust.document import moment

    found: dt.date | dt.datetime | None = moment(text)
    if found is None:
        raise click.BadParameter(say("audit.not-a-moment", text=text), param_hint=option)
    return found
