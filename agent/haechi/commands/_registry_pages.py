"""What ``haechi registry show`` and ``diff`` put before people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.domain.errors import HaechiError
from haechi.domain.registry import (
    ALL,
    KST,
    Authorisation,
    AuthorisationStatus,
    Evaluation,
    NamedPlace,
    Period,
    Person,
    Reach,
    RegistryData,
)
from haechi.domain.registry.comparison import Change
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.outbound.trust import Signer

MOST_DIGESTS = 2


def evaluation_of(policies: Path | None) -> Evaluation | None:
    """How the institution counts, from a folder of policies, else from those in force here; None where none is there.

    A folder that was named and cannot be read is an error.
    """
    from haechi.outbound.engine.choices import policy_data
    from haechi.outbound.engine.folder import in_force, read

    try:
        if policies is None:
            from haechi.settings import load

            policies_here = in_force(load())
        else:
            policies_here = policies
        return policy_data(read(policies_here).data).evaluation
    except HaechiError:
        if policies is not None:
            raise
        return None


def reviews(listed: Iterable[Authorisation], count: Evaluation | None) -> list[dict[str, Any]]:
    """For each pending one: when its review would end by the institution's own count; null where that is not known."""
    found = []
    for one in listed:
        if one.status is not AuthorisationStatus.PENDING:
            continue
        ends = count.ends(one.submitted_on) if count else None
        found.append(
            {
                "id": one.id,
                "submitted_on": one.submitted_on.isoformat() if one.submitted_on else None,
                "counted_by": "institution",
                "chosen": bool(count and count.chosen),
                "last_day": ends.last_day.isoformat() if ends else None,
                "extended_last_day": ends.extended.isoformat() if ends else None,
                "authorises": False,
            }
        )
    return found


def show_page(
    console: Console, data: RegistryData, signer: Signer, now: dt.datetime, count: Evaluation | None, most: int
) -> None:
    """All lists, at most ``most`` entries of each (0: all)."""
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")

    def row(name: str, entries: Sequence[Any], text: Any = lambda entry: entry) -> None:
        shown = entries[:most] if most else entries
        for at, entry in enumerate(shown):
            table.add_row(say(f"registry.row-{name}") if at == 0 else "", text(entry))
        if len(shown) < len(entries):
            table.add_row("", say("registry.more", count=f"{len(entries) - len(shown):,}"))

    row("institution", [f"{data.institution.name} ({data.institution.registration_number})"])
    age = say("registry.issued", at=moment(data.issued_at), days=max((now - data.issued_at).days, 0))
    row("sequence", [f"{data.sequence}  {age}"])
    row("signer", [signer.name or signer.key])
    row("accounts", data.accounts, lambda a: f"{a.provider} {a.id}  {a.label}")
    row("keys", data.keys, lambda k: f"{k.provider} {k.id}  {k.label}")
    row("personnel", data.personnel, lambda p: _person(p, now))
    row("takeouts", data.takeouts, lambda t: _words(t.id, t.approver, *_reach(t.reach, now), *_for(t.persons)))
    row("authorisations", data.authorisations, lambda a: _authorisation(a, now, count))
    row("exemptions", data.exemptions, lambda e: _words(e.id, e.basis, *_reach(e.reach, now), e.evidence))
    row(
        "orders",
        data.orders,
        lambda o: _words(o.id, say(f"registry.{o.kind.value}"), _state(o.period, now), *_named(o.technologies)),
    )
    row("recipients", data.recipients, lambda r: f"{r.id}  {r.key[:20]}…  {r.owner}")
    row("watched", data.watched, lambda w: f"{w.host}  {w.provider}/{w.service}  {w.region} {w.country}")
    row(
        "attestations",
        data.attestations,
        lambda a: _words(
            a.id, a.provider, a.subject, say("registry.stated", day=a.stated_on), _state(a.period, now), a.reference
        ),
    )
    console.print(table)


def _words(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def _state(period: Period, now: dt.datetime) -> str:
    name = "in-force" if period.holds(now) else "begins" if period.start and now < period.start else "not-in-force"
    until = [say("registry.until", day=moment(period.end - dt.timedelta(microseconds=1)))] if period.end else []
    from_ = [say("registry.from", day=moment(period.start))] if period.start and name == "begins" else []
    return " ".join([say(f"registry.{name}"), *from_, *until])


def moment(at: dt.datetime) -> str:
    """An instant in Korea: the day alone where it is the first or the last of it."""
    there = at.astimezone(KST)
    whole = there.time() in (dt.time(), dt.time.max)
    return there.date().isoformat() if whole else there.strftime("%Y-%m-%d %H:%M KST")


def _person(one: Person, now: dt.datetime) -> str:
    foreign = say("registry.foreign", review=one.review or "–") if one.access.value == "foreign" else ""
    return _words(
        one.id,
        one.name,
        " ".join(one.os_users),
        _state(one.period, now),
        say("registry.pledged", day=one.pledged_on or "–"),
        say("registry.trained", day=one.trained_on or "–"),
        foreign,
    )


def _named(technologies: frozenset[str]) -> list[str]:
    return [say("registry.all-technologies")] if ALL in technologies else [" ".join(sorted(technologies))]


def _reach(reach: Reach, now: dt.datetime) -> list[str]:
    digests = sorted(reach.digests)
    what = (
        say("registry.comprehensive")
        if reach.comprehensive
        else " ".join(one[:19] + "…" for one in digests[:MOST_DIGESTS])
    )
    more = f"+{len(digests) - MOST_DIGESTS}" if len(digests) > MOST_DIGESTS else ""
    return [
        _state(reach.period, now),
        *_named(reach.technologies),
        "→ " + ", ".join(map(_place, reach.destinations)),
        what,
        more,
    ]


def _place(place: NamedPlace) -> str:
    return " ".join(filter(None, (place.country, place.provider, place.region, place.account, place.container)))


def _for(persons: frozenset[str]) -> list[str]:
    return [say("registry.persons", persons=", ".join(sorted(persons)))] if persons else []


def _authorisation(one: Authorisation, now: dt.datetime, count: Evaluation | None) -> str:
    said = _words(
        one.id, say(f"registry.{one.kind.value}"), say(f"registry.{one.status.value}"), *_reach(one.reach, now)
    )
    return _words(said, review(one, count)) if one.status is AuthorisationStatus.PENDING else said


def review(one: Authorisation, count: Evaluation | None) -> str:
    """When the review of a pending one would end, and that this authorises nothing."""
    if one.submitted_on is None:
        return say("registry.review-no-day")
    ends = count.ends(one.submitted_on) if count else None
    if ends is None:
        return say("registry.review-not-chosen", submitted=one.submitted_on)
    return say("registry.review", submitted=one.submitted_on, day=ends.last_day, extended=ends.extended)


# --- what changed ---


def diff_document(
    old: RegistryData, new: RegistryData, changes: Sequence[Change], count: Evaluation | None
) -> dict[str, Any]:
    """The ``--json`` form."""
    pending = [change.after for change in changes if isinstance(change.after, Authorisation)]
    return {
        "same": not changes,
        "sequence": {"before": old.sequence, "after": new.sequence},
        "issued_at": {"before": old.issued_at.isoformat(), "after": new.issued_at.isoformat()},
        "changes": [
            {
                "section": change.section,
                "id": change.id,
                "change": change.how.value,
                "effect": change.effect.value,
                "fields": {
                    name: {"before": plain(before), "after": plain(after)}
                    for name, (before, after) in change.fields.items()
                },
            }
            for change in changes
        ],
        "reviews": reviews(pending, count),
    }


def plain(value: Any) -> Any:
    """As JSON has it; sets in order, instants in Korean time."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(KST).isoformat()
    return msgspec.to_builtins(value)


def diff_page(
    console: Console, old: RegistryData, new: RegistryData, changes: Sequence[Change], count: Evaluation | None
) -> None:
    """What changes, for people."""
    was, is_ = (f"{data.sequence} ({moment(data.issued_at)})" for data in (old, new))
    console.print(say("registry.diff-head", before=was, after=is_))
    if new.sequence <= old.sequence:
        console.print(say("registry.diff-older"), style="yellow")
    if not changes:
        console.print(say("registry.diff-same"))
    signs = {"added": "+", "removed": "−", "changed": "~"}
    styles = {"loosens": "yellow", "tightens": "green"}
    for change in changes:
        effect = change.effect.value
        row, how = say(f"registry.row-{change.section}"), say(f"registry.diff-{change.how.value}")
        line = f"{signs[change.how.value]} {row}  {change.id}  {how}  [{say(f'registry.effect-{effect}')}]"
        console.print(line, style=styles.get(effect, ""))
        for name, (before, after) in change.fields.items():
            console.print(f"    {name}: {_shown(before)} → {_shown(after)}", soft_wrap=True)
        if isinstance(change.after, Authorisation) and change.after.status is AuthorisationStatus.PENDING:
            console.print(f"    {review(change.after, count)}", soft_wrap=True)


def _shown(value: Any) -> str:
    if value is None or value in ("", ()):
        return "–"
    if isinstance(value, dt.datetime):
        return moment(value)
    if isinstance(value, tuple | frozenset):
        listed = [_place(one) if isinstance(one, NamedPlace) else str(one) for one in value]
        return ", ".join(sorted(listed)[:10]) + (f" … +{len(listed) - 10}" if len(listed) > 10 else "") or "–"
    return str(value)
