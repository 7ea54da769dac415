"""`haechi registry add`, `diff`, `show`: what the security team does with its registry, in Korean days."""

from __future__ import annotations

import datetime as dt
import difflib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from haechi.commands.registry import WHAT, registry
from haechi.domain.errors import HaechiError
from haechi.domain.registry import KST
from haechi.domain.registry.comparison import Effect, How, compare
from haechi.outbound.engine.folder import locate
from haechi.outbound.registry import check_registry, registry_from
from haechi.outbound.registry.editing import NAMED, added, entry_from
from haechi.outbound.trust.keys import SigningKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.registry.conftest import EXAMPLE

BORDER = dt.datetime(2026, 11, 26, 15, 30, tzinfo=dt.UTC)
"""Half past midnight of the 27th in Korea."""
REACH = ["technology=SEM-01", "comprehensive=true", "valid_from=today", "valid_until=2027-01-01"]
ENTRIES = {
    "account": ["provider=gcp", "id=012345"],
    "key": ["provider=aws", "id=arn:aws:kms:x", "label=no"],
    "person": ["id=E-2", "name=이도", "os_user=lee", "access=domestic", "pledged_on=today"],
    "takeout": ["id=T-9", "approver=팀장", "destination=provider=aws,account=0111", *REACH],
    "approval": ["id=E-9", "status=pending", "destination=country=JP", "destination=country=US", *REACH],
    "declaration": ["id=D-9", "status=granted", "destination=country=JP,provider=aws", *REACH],
    "exemption": ["id=X-9", "basis=patent", "evidence=서류: 1", "destination=country=DE", *REACH],
    "order": ["id=O-9", "kind=prohibit", "technologies=all", "effective_from=today"],
    "recipient": ["id=R-9", "key=age1qqqq", "owner=정보보호팀"],
    "host": ["host=*.b.example", "provider=b", "service=s3", "region=kr-1", "country=KR"],
    "attestation": ["id=A-99", "subject=nct-manager", "stated_on=today"],
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("HAECHI_LANG", "en")
    monkeypatch.setenv("COLUMNS", "400")
    return lambda *words: CliRunner().invoke(registry, [str(word) for word in words])


@pytest.fixture
def file(tmp_path: Path, example: str) -> Path:
    path = tmp_path / "registry.yaml"
    path.write_text(example, encoding="utf-8")
    return path


def test_everything_that_can_be_named_can_be_added() -> None:
    assert set(WHAT) == set(NAMED) == set(ENTRIES)


@pytest.mark.parametrize("what", WHAT)
def test_an_entry_is_added_and_nothing_else_changes(example: str, what: str) -> None:
    section, entry = entry_from(what, ENTRIES[what], BORDER.astimezone(KST).date())
    made = added(example.encode(), "registry.yaml", section, entry, BORDER)
    before, after = example.splitlines(), made.raw.decode().splitlines()
    gone = [line[2:] for line in difflib.ndiff(before, after) if line.startswith("- ")]
    assert gone == ["sequence: 1", 'issued_at: "2026-01-05T09:00:00+09:00"']
    old, new = registry_from(example.encode(), "r"), registry_from(made.raw, "r")
    assert new.sequence == 2
    assert new.issued_at.isoformat() == "2026-11-27T00:30:00+09:00"
    (change,) = compare(old, new)
    assert (change.section, change.how) == (section, How.ADDED)


def test_today_is_today_in_korea(example: str) -> None:
    section, entry = entry_from("order", ENTRIES["order"], BORDER.astimezone(KST).date())
    assert entry["effective_from"] == "2026-11-27"
    new = registry_from(added(example.encode(), "r", section, entry, BORDER).raw, "r")
    period = new.orders[-1].period
    assert [period.holds(BORDER - dt.timedelta(minutes=at)) for at in (30, 31)] == [True, False]


def test_an_entry_is_added_to_json_as_well(example: str) -> None:
    section, entry = entry_from("order", ENTRIES["order"], BORDER.date())
    data = registry_from(example.encode(), "r")
    from haechi.outbound.trust.document import parse_document

    raw = json.dumps(parse_document(example.encode(), "r", "registry").data).encode()
    new = registry_from(added(raw, "r", section, entry, BORDER).raw, "r")
    assert [change.id for change in compare(data, new)] == ["O-9"]


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=40).filter(lambda text: "\r" not in text and text.isprintable()))
def test_any_text_is_kept_as_it_was_given(text: str) -> None:
    entry = {"id": text, "name": text, "os_users": [text], "access": "domestic"}
    made = added(EXAMPLE.read_bytes(), "r", "personnel", entry, BORDER)
    person = registry_from(made.raw, "r").personnel[-1]
    assert (person.id, person.name, person.os_users) == (text, text, (text,))


@pytest.mark.parametrize(
    ("what", "change", "code", "field"),
    [
        ("order", ["kind=stop"], "registry.entry-odd", "kind"),
        ("order", ["technology=sem"], "registry.entry-odd", "technologies"),
        ("approval", ["valid_until=2026-02-30"], "registry.entry-odd", "valid_until"),
        ("approval", ["valid_until=2020-01-01"], "registry.entry-odd", "valid_until"),
        ("approval", ["id=EXP-2026-017"], "registry.entry-odd", "id"),
        ("approval", ["destination=country=Japan"], "registry.entry-odd", "country"),
        ("person", ["colour=red"], "registry.field-odd", "colour=red"),
        ("person", ["name"], "registry.field-odd", "name"),
        ("takeout", ["destination=JP"], "registry.field-odd", "destination=JP"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(
    run: Callable[..., Result], file: Path, what: str, change: list[str], code: str, field: str
) -> None:
    name = change[0].partition("=")[0]
    given = {name, "technologies"} if name == "technology" else {name}
    kept = [pair for pair in ENTRIES[what] if pair.partition("=")[0] not in given]
    before = file.read_bytes()
    answer = run("add", what, *kept, *change, "--file", file)
    assert isinstance(answer.exception, HaechiError)
    assert answer.exception.code == code
    assert answer.exception.params["field"] == field
    assert file.read_bytes() == before


def test_a_missing_field_is_named(run: Callable[..., Result], file: Path) -> None:
    answer = run("add", "order", "id=O-9", "--file", file)
    assert isinstance(answer.exception, HaechiError)
    assert "kind" in str(answer.exception.params["cause"])


@pytest.mark.parametrize("host", ["kr.object.ncloudstorage.com", "*.kr.object.ncloudstorage.com"])
def test_a_host_is_completed_with_what_is_published_and_says_from_where(
    run: Callable[..., Result], file: Path, host: str
) -> None:
    answer = run("add", "host", f"host={host}", "--known", "--file", file)
    assert answer.exit_code == 0, answer.exception
    site = registry_from(file.read_bytes(), "r").watched[-1]
    assert (site.host, site.provider, site.service) == (host, "naver", "s3")
    assert (site.region, site.country) == ("kr-standard", "KR")
    assert site.endpoint == "https://kr.object.ncloudstorage.com"
    for word in ("kr-standard", "api.ncloud-docs.com", "2026-11-27", "whoever signs vouches"):
        assert word in answer.output


def test_what_is_given_holds_and_what_no_document_says_is_told(run: Callable[..., Result], file: Path) -> None:
    fields = ["host=obj-e-1.ktcloud.com", "region=KR-CENTRAL", "service=swift"]
    answer = run("add", "host", *fields, "--known", "--file", file)
    site = registry_from(file.read_bytes(), "r").watched[-1]
    assert (site.region, site.service, site.provider) == ("KR-CENTRAL", "swift", "kt")
    assert "No document of the provider says so" in answer.output
    said = json.loads(
        run(
            "add", "host", "host=kr2-api-object-storage.nhncloudservice.com", "--known", "--file", file, "--json"
        ).output
    )
    assert said["entry"]["region"] == "KR2"
    assert said["published"]["certainty"] == "documented"
    assert said["published"]["services"] == "s3, swift"


@pytest.mark.parametrize(
    ("what", "fields"),
    [
        ("host", ["host=s3.example.kr"]),
        ("host", ["host=*.obj-e-1.ktcloud.com"]),  # buckets do not stand before that name
        ("account", ["provider=naver", "id=1"]),
    ],
)
def test_nothing_is_published_of_others(run: Callable[..., Result], file: Path, what: str, fields: list[str]) -> None:
    before = file.read_bytes()
    answer = run("add", what, *fields, "--known", "--file", file)
    assert isinstance(answer.exception, HaechiError)
    assert answer.exception.code == "registry.site-unpublished"
    assert file.read_bytes() == before


def test_a_known_host_is_not_completed_unasked(run: Callable[..., Result], file: Path) -> None:
    answer = run("add", "host", "host=kr.object.ncloudstorage.com", "--file", file)
    assert isinstance(answer.exception, HaechiError)
    assert answer.exception.code == "registry.entry-odd"


def test_added_compared_and_what_to_do_next(run: Callable[..., Result], file: Path, tmp_path: Path) -> None:
    signed = tmp_path / "signed.yaml"
    signed.write_bytes(file.read_bytes())
    file.chmod(0o644)
    recipe = tmp_path / "recipe.csv"
    recipe.write_bytes(b"")
    answer = run("add", "order", *ENTRIES["order"], "--file", file)
    assert answer.exit_code == 0
    assert "Now sign it: haechi registry sign" in answer.output
    assert file.stat().st_mode & 0o777 == 0o644
    fields = [pair for pair in ENTRIES["approval"] if not pair.startswith("comprehensive")]
    said = json.loads(run("add", "approval", *fields, f"file={recipe}", "--file", file, "--json").output)
    assert (said["section"], said["sequence"], said["signed"]) == ("authorisations", 3, False)
    assert said["entry"]["digests"] == ["blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"]
    assert check_registry(file.read_bytes(), "r")[1] == ()
    found = run("diff", signed, file, "--json")
    assert found.exit_code == 1
    changes = [(c["id"], c["change"], c["effect"]) for c in json.loads(found.output)["changes"]]
    assert changes == [("E-9", "added", "neither"), ("O-9", "added", "tightens")]
    shown = run("diff", signed, file)
    assert "O-9" in shown.output
    assert "the institution has not chosen" not in shown.output  # no day of submission was given
    same = run("diff", file, file)
    assert (same.exit_code, "The entries are the same" in same.output) == (0, True)


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ("status: granted", "status: revoked", Effect.TIGHTENS),
        ("status: pending", "status: granted", Effect.LOOSENS),
        ("status: pending", "status: expired", Effect.NEITHER),
        ("valid_until: 2026-06-30", "valid_until: 2026-07-31", Effect.LOOSENS),
        ("valid_until: 2026-06-30", "valid_until: 2026-05-31", Effect.TIGHTENS),
        ("valid_from: 2026-01-10\n    valid_until: 2026-06-30", "valid_from: 2026-01-11\n    valid_until: 2026-07-01",
         Effect.UNCLEAR),
        ("technologies: all", "technologies: [SEM-01]", Effect.TIGHTENS),
        ("technologies: [SEM-03]", "technologies: all", Effect.TIGHTENS),
        ("technologies: [SEM-03]\n", "technologies: [SEM-03, SEM-04]\n", Effect.TIGHTENS),
        ("effective_from: 2026-03-01", "effective_from: 2026-04-01", Effect.LOOSENS),
        ("effective_from: 2026-03-01", "effective_from: 2026-03-01\n    lifted_at: 2026-05-01", Effect.LOOSENS),
        ("name: 김해치", "name: 김해태", Effect.NEITHER),
        ("os_users: [kim]", "os_users: [kim, root]", Effect.LOOSENS),
        ("access: domestic", "access: foreign", Effect.TIGHTENS),
        ("trained_on: 2026-01-03", "trained_on: 2026-02-03", Effect.LOOSENS),
        ("kind: suspend", "kind: prohibit", Effect.UNCLEAR),
        ("basis: public-seminar", "basis: patent", Effect.UNCLEAR),
        ("comprehensive: true\n", "comprehensive: true\n    persons: [E-1024]\n", Effect.TIGHTENS),
        ("country: JP, provider: aws, region: ap-northeast-1", "country: JP, provider: aws", Effect.UNCLEAR),
        ("{country: DE}", "{country: DE}\n      - {country: FR}", Effect.LOOSENS),
    ],
)  # fmt: skip
def test_a_change_says_whether_it_loosens_or_tightens(example: str, old: str, new: str, effect: Effect) -> None:
    assert old in example
    before, after = (registry_from(text.encode(), "r") for text in (example, example.replace(old, new, 1)))
    (change,) = compare(before, after)
    assert (change.how, change.effect) == (How.CHANGED, effect)


def test_what_is_taken_away_does_the_reverse_of_what_is_added(example: str) -> None:
    whole = registry_from(example.encode(), "r")
    import dataclasses

    empty = dataclasses.replace(whole, orders=(), takeouts=(), personnel=(), watched=())
    effects = {change.section: change.effect for change in compare(whole, empty)}
    assert effects == {
        "orders": Effect.LOOSENS, "takeouts": Effect.TIGHTENS, "personnel": Effect.TIGHTENS, "watched": Effect.UNCLEAR,
    }  # fmt: skip
    assert all(change.how is How.REMOVED for change in compare(whole, empty))


# --- show ---


@pytest.fixture
def trust(team: Any, example: str, file: Path) -> Path:
    team.registry(example, file)
    team.trust()
    path: Path = team.folder / "trust.yaml"
    return path


def counted(tmp_path: Path, choice: str) -> Path:
    import shutil

    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    data = folder / "data.yaml"
    text = data.read_text(encoding="utf-8")
    assert "starts: null, length_days: 45, extension_days: 45, count: null" in text
    data.write_text(
        text.replace("starts: null, length_days: 45, extension_days: 45, count: null", choice), encoding="utf-8"
    )
    return folder


def test_show_has_every_section(run: Callable[..., Result], file: Path, trust: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("haechi.outbound.clock.SystemClock.now", lambda self: dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    answer = run("show", file, "--trust", trust)
    assert answer.exit_code == 0, answer.output
    wanted = (
        "TAKE-2026-001", "EXE-2026-001", "public-seminar", "ATT-14", "pledge 2026-01-02", "training 2026-01-03",
        "issued 2026-01-05 09:00 KST", "(until 2026-12-31)", "the institution has not chosen",
    )  # fmt: skip
    for said in wanted:
        assert said in answer.output, said


def test_a_review_is_counted_as_the_institution_chose_and_authorises_nothing(
    run: Callable[..., Result], file: Path, trust: Path, tmp_path: Path
) -> None:
    folder = counted(tmp_path, "starts: submitted, length_days: 45, extension_days: 45, count: calendar")
    answer = run("show", file, "--trust", trust, "--policies", folder)
    assert "submitted 2026-01-04; by the institution's own count the review would end on 2026-02-17" in answer.output
    assert "That authorises nothing" in answer.output
    (review,) = json.loads(run("show", file, "--trust", trust, "--policies", folder, "--json").output)["reviews"]
    assert (review["last_day"], review["extended_last_day"]) == ("2026-02-17", "2026-04-03")
    assert (review["counted_by"], review["authorises"]) == ("institution", False)


def test_show_cuts_long_lists_and_says_so(run: Callable[..., Result], file: Path, trust: Path, team: Any) -> None:
    from haechi.outbound.trust.document import parse_document

    data = parse_document(file.read_bytes(), "r", "registry").data
    data["personnel"] = [data["personnel"][0] | {"id": f"E-{at:04}", "os_users": [f"u{at}"]} for at in range(1025)]
    team.registry(json.dumps(data), file)
    assert "and 1,005 more" in run("show", file, "--trust", trust).output
    assert "E-1024" in run("show", file, "--trust", trust, "--all").output


# --- change and remove ---

CALLED = {
    "account": "aws/111122223333", "person": "E-1024", "takeout": "TAKE-2026-001", "approval": "EXP-2026-017",
    "declaration": "DEC-2026-003", "exemption": "EXE-2026-001",
}  # fmt: skip


@pytest.mark.parametrize(
    ("what", "change", "effect"),
    [
        ("approval", ["status=revoked"], "tightens"),
        ("approval", ["valid_until=2026-05-31"], "tightens"),
        ("person", ["valid_until=now"], "tightens"),
        ("person", ["os_users=kim,root"], "loosens"),
        ("person", ["trained_on="], "tightens"),
        ("declaration", ["status=granted"], "loosens"),
        ("takeout", ["destination=provider=aws,account=0111"], "unclear"),
        ("account", ["label="], "neither"),
    ],
)
def test_an_entry_is_changed_and_every_comment_and_other_entry_stays(
    run: Callable[..., Result], file: Path, tmp_path: Path, what: str, change: list[str], effect: str
) -> None:
    signed = tmp_path / "signed.yaml"
    signed.write_bytes(file.read_bytes())
    said = json.loads(run("change", what, CALLED[what], *change, "--file", file, "--json").output)
    assert (said["change"], said["effect"], said["sequence"]) == ("changed", effect, 2)
    changes = json.loads(run("diff", signed, file, "--json").output)["changes"]
    assert [(one["change"], one["effect"]) for one in changes] == [("changed", effect)]
    comments = [
        [line.strip() for line in path.read_text("utf-8").splitlines() if "#" in line] for path in (signed, file)
    ]
    assert comments[0] == comments[1]


@pytest.mark.parametrize("what", sorted(CALLED))
def test_an_entry_is_removed_and_nothing_else(
    run: Callable[..., Result], file: Path, tmp_path: Path, what: str
) -> None:
    signed = tmp_path / "signed.yaml"
    signed.write_bytes(file.read_bytes())
    said = json.loads(run("remove", what, CALLED[what], "--file", file, "--json").output)
    assert (said["id"], said["change"], said["sequence"]) == (CALLED[what], "removed", 2)
    (gone,) = compare(*(registry_from(path.read_bytes(), "r") for path in (signed, file)))
    assert (gone.id, gone.how) == (CALLED[what], How.REMOVED)
    old, new = (path.read_text("utf-8").splitlines() for path in (signed, file))
    assert [line for line in old if line.strip().startswith("#")] == [line for line in new if line.strip()[:1] == "#"]
    came = {line[2:] for line in difflib.ndiff(old, new) if line.startswith("+ ")}
    assert all(line.startswith(("sequence: 2", "issued_at:")) or line.endswith(": []") for line in came), came


def test_json_is_changed_and_shortened_as_well(run: Callable[..., Result], file: Path) -> None:
    from haechi.outbound.trust.document import parse_document

    file.write_text(json.dumps(parse_document(file.read_bytes(), "r", "registry").data), encoding="utf-8")
    assert run("change", "approval", "EXP-2026-017", "status=revoked", "--file", file).exit_code == 0
    assert run("remove", "person", "E-1024", "--file", file).exit_code == 0
    data = registry_from(file.read_bytes(), "r")
    assert (data.sequence, data.authorisations[0].status.value, data.personnel) == (3, "revoked", ())


def test_what_ends_now_has_ended(run: Callable[..., Result], file: Path) -> None:
    assert run("change", "person", "E-1024", "valid_until=now", "--file", file).exit_code == 0
    (person,) = registry_from(file.read_bytes(), "r").personnel
    assert not person.period.holds(dt.datetime.now(dt.UTC))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["change", "approval", "NONE", "status=revoked"], "registry.no-entry"),
        (["change", "declaration", "EXP-2026-017", "status=revoked"], "registry.no-entry"),
        (["remove", "account", "111122223333"], "registry.no-entry"),
        (["change", "approval", "EXP-2026-017", "status=granted"], "registry.same-entry"),
        (["change", "approval", "EXP-2026-017", "id=other"], "registry.field-odd"),
        (["change", "approval", "EXP-2026-017", "colour="], "registry.field-odd"),
        (["change", "approval", "EXP-2026-017", "status=maybe"], "registry.entry-odd"),
        (["change", "approval", "EXP-2026-017", "valid_until="], "registry.entry-odd"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_and_nothing_is_written(
    run: Callable[..., Result], file: Path, words: list[str], code: str
) -> None:
    before = file.read_bytes()
    answer = run(*words, "--file", file)
    assert isinstance(answer.exception, HaechiError), answer.output
    assert answer.exception.code == code
    assert file.read_bytes() == before


@pytest.mark.parametrize("technology", ["SEM-99", "SEM-3"])
def test_an_order_that_could_reach_nothing_is_neither_sound_nor_signed(
    run: Callable[..., Result], file: Path, technology: str, tmp_path: Path
) -> None:
    order = ["id=O-9", "kind=prohibit", f"technologies={technology}", "effective_from=today"]
    assert run("add", "order", *order, "--file", file).exit_code == 0
    checked = run("check", file, "--unsigned", "--json")
    assert checked.exit_code == 1
    (fault,) = json.loads(checked.stdout)["faults"]
    assert fault["code"] == "registry.order-unlisted"
    assert f"order O-9 names technology `{technology}`" in fault["message"]["en"]
    assert "near it: SEM-0" in fault["message"]["en"]
    key = tmp_path / "registry.pem"
    SigningKey.generate().save(key)
    signed = run("sign", file, "--key", key)
    assert isinstance(signed.exception, HaechiError)
    assert signed.exception.code == "registry.order-unlisted"
    assert not file.with_name(file.name + ".sig").exists()
