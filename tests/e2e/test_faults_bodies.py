"""Bodies that lie, break off or swell: refused in words or judged all the same, and nothing of them in the store."""

from __future__ import annotations

import gzip
import io
import os
import time
import zipfile
import zlib
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.fault_lab import KIB, MIB, Answer, Ward, ward
from tests.stores import started_store

pytestmark = pytest.mark.e2e
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
PLAIN = os.urandom(8 * KIB)
BROKEN = "breaks its own framing"


@pytest.fixture(scope="module")
def at() -> Iterator[Ward]:
    with started_store() as (store, land), ward(store, land) as made:
        yield made
        made.verified()


@pytest.fixture(autouse=True)
def agent_goes_on(at: Ward) -> Iterator[None]:
    yield
    at.working_again()


def chunk(data: bytes, *, size: int | None = None, end: bytes = b"\r\n", mark: bytes = b"") -> bytes:
    return b"%x%s\r\n%s%s" % (len(data) if size is None else size, mark, data, end)


LAST = b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"


def chunked(decoded: int, kind: str = UNSIGNED) -> list[tuple[str, str]]:
    return [
        ("Content-Encoding", "aws-chunked"),
        ("X-Amz-Content-Sha256", kind),
        ("X-Amz-Decoded-Content-Length", str(decoded)),
        ("X-Amz-Trailer", "x-amz-checksum-crc32"),
    ]


FRAMINGS = {
    "no size": b"this is no size\r\n" + PLAIN,
    "no end of chunk": chunk(PLAIN, end=b"XY") + LAST,
    "size beyond the data": chunk(PLAIN, size=len(PLAIN) + 100) + LAST,
    "size below the data": chunk(PLAIN, size=len(PLAIN) - 100) + LAST,
    "a size of sixty digits": b"0" * 60 + b"1\r\nx\r\n" + LAST,
    "a trailer that is none": chunk(PLAIN) + b"0\r\nno trailer at all\r\n\r\n",
    "no last chunk": chunk(PLAIN),
    "bytes after the end": chunk(PLAIN) + LAST + b"more",
}


@pytest.mark.parametrize("what", FRAMINGS)
def test_broken_chunk_framing_is_refused_in_words(at: Ward, what: str) -> None:
    key = at.key("framing")
    answer = at.raw(key, FRAMINGS[what], chunked(len(PLAIN)))
    at.refused(answer, BROKEN, "Check the client", cause="body-malformed")
    at.absent(key)


def test_chunks_that_should_be_signed_and_are_not(at: Ward) -> None:
    key = at.key("signed")
    answer = at.raw(key, chunk(PLAIN) + b"0\r\n\r\n", chunked(len(PLAIN), SIGNED)[:3])
    at.refused(answer, BROKEN, cause="body-malformed")
    at.absent(key)


@pytest.mark.parametrize("lie", [-1, 1, -len(PLAIN), 1 << 40])
def test_a_decoded_length_that_lies(at: Ward, lie: int) -> None:
    key = at.key("decoded")
    at.refused(at.raw(key, chunk(PLAIN) + LAST, chunked(len(PLAIN) + lie)), BROKEN, cause="body-malformed")
    at.absent(key)


@pytest.mark.parametrize("said", ["-5", "1e3", "nonsense", "0x10"])
def test_a_decoded_length_that_is_no_number(at: Ward, said: str) -> None:
    key = at.key("decoded")
    named = [(name, said if "Decoded" in name else value) for name, value in chunked(0)]
    answer = at.raw(key, chunk(at.tagged) + LAST, named)
    event = at.refused(answer, "(decoded-length)")
    assert (event["action"]["kind"], event["action"]["reason"]) == ("unrecognised", "decoded-length")
    at.absent(key)


@pytest.mark.parametrize("pause", [0.0, 0.3], ids=["in one piece", "in its own piece"])
def test_tagged_bytes_behind_the_decoded_length_never_arrive(at: Ward, pause: float) -> None:
    key, first, second = at.key("behind"), chunk(PLAIN), chunk(at.tagged) + LAST
    headers = [*chunked(len(PLAIN)), ("Content-Length", str(len(first) + len(second)))]
    with at.wire() as wire:
        wire.send(wire.head("PUT", f"/{key}", headers) + (b"" if pause else first))
        if pause:
            wire.send(first)
            time.sleep(pause)
        wire.send(second)
        answer = wire.answer()
    at.refused(answer, BROKEN, cause="body-malformed")
    at.absent(key)


def test_a_request_behind_the_content_length_is_a_request_of_its_own(at: Ward) -> None:
    first, second = at.key("first"), at.key("second")
    with at.wire() as wire:
        hidden = wire.head("PUT", f"/{second}", [("Content-Length", str(len(at.tagged)))]) + at.tagged
        wire.send(wire.head("PUT", f"/{first}", [("Content-Length", str(len(PLAIN)))]) + PLAIN + hidden)
        allowed, refused = wire.answer(), wire.answer()
    assert allowed.status == 200
    at.refused(refused, rule="r13_layer1")
    assert at.held(first) == PLAIN
    at.absent(second)


def test_a_content_length_below_the_body_keeps_only_what_was_judged(at: Ward) -> None:
    plain, tagged = at.key("short"), at.key("short")
    for key, body in ((plain, PLAIN), (tagged, at.tagged)):
        with at.wire() as wire:
            wire.send(wire.head("PUT", f"/{key}", [("Content-Length", str(len(body) - 100))]) + body)
            answers = [wire.answer()]
            wire.send(b"\r\n\r\n")  # what is left is a head now, of which nobody waits for the end
            answers.append(wire.answer())
        assert answers[1].status in (0, 400), answers
        if key == tagged:
            at.refused(answers[0], rule="r13_layer1")
    assert at.held(plain) == PLAIN[:-100]
    at.absent(tagged)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Content-Length", "10"), ("Content-Length", str(64 * KIB))], 400),
        ([("Content-Length", "10"), ("Transfer-Encoding", "chunked")], 400),
        ([("Content-Length", "ten")], 400),
        ([("Content-Length", "-1")], 400),
        ([("Transfer-Encoding", "chunked, chunked")], 501),
    ],
    ids=str,
)
def test_contradictory_framing_of_http_goes_nowhere(at: Ward, headers: list[tuple[str, str]], status: int) -> None:
    """Answered by the data path itself: it is no request that anybody could judge."""
    key = at.key("smuggled")
    answer = at.raw(key, at.tagged, headers)
    assert answer.status == status, answer
    assert of(at, key) == []
    at.absent(key)


def of(at: Ward, key: str) -> list[dict]:
    return [event for event in at.lab.decisions() if (event["destination"] or {}).get("key") == key]


def abandoned(at: Ward) -> int:
    return int(at.status()["parts"]["data_path"]["abandoned"])


@pytest.mark.parametrize("framing", ["plain", "chunked"])
def test_a_client_that_dies_in_the_middle_leaves_nothing(at: Ward, framing: str) -> None:
    key, body, before = at.key("cut"), os.urandom(MIB), abandoned(at)
    headers = [("Content-Length", str(len(body)))]
    if framing == "chunked":
        headers = [*chunked(len(body)), ("Content-Length", str(len(chunk(body) + LAST)))]
        body = chunk(body)
    with at.wire() as wire:
        wire.send(wire.head("PUT", f"/{key}", headers) + body[: len(body) // 2])
        time.sleep(0.3)
    until = time.monotonic() + 5
    while abandoned(at) == before:
        assert time.monotonic() < until, "the agent never noticed"
        time.sleep(0.05)
    at.absent(key)
    assert of(at, key) == [], "an upload that never ended must not be recorded as allowed"


def test_a_client_that_dies_with_tagged_content_on_the_way_leaves_a_record(at: Ward) -> None:
    key = at.key("cut")
    with at.wire() as wire:
        headers = [("Content-Length", str(4 * MIB))]
        wire.send(wire.head("PUT", f"/{key}", headers) + at.tagged + os.urandom(MIB))
        time.sleep(0.3)
    at.absent(key)
    (event,) = of(at, key)
    assert event["decision"]["effect"] == "block"


# --- bodies that swell ---


def bomb(megabytes: int) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(squeeze.compress(bytes(MIB)) for _ in range(megabytes)) + squeeze.flush()


def zipped(name: str, data: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return made.getvalue()


def nested(data: bytes, levels: int) -> bytes:
    for level in range(levels):
        data = zipped(f"level-{level}.zip", data)
    return data


def resident(at: Ward) -> int:
    return psutil.Process(at.lab.pid).memory_info().rss


@pytest.mark.parametrize("how", ["as an object", "as an encoding", "twice", "in archives"])
def test_a_bomb_is_answered_in_little_memory(at: Ward, how: str) -> None:
    """By the judge, with a record: had it taken longer than Envoy waits, there would be none."""
    key, before = at.key("bomb"), resident(at)
    body = bomb(1024)
    headers = [("Content-Encoding", "gzip")] if how == "as an encoding" else []
    if how == "twice":
        body = gzip.compress(body)
    if how == "in archives":
        body = nested(body, 40)
    answer = at.raw(key, body, headers)
    assert resident(at) - before < 64 * MIB
    assert answer.status in (200, 403), answer
    (event,) = of(at, key)
    assert event["content"]["state"] != "clean", "nobody saw all of it"
    if answer.status == 403:
        at.absent(key)


def test_a_tagged_file_behind_a_bomb_is_not_called_clean(at: Ward) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(256 * MIB))
        archive.writestr("recipe.bin", at.tagged)
    key = at.key("behind-bomb")
    answer = at.raw(key, made.getvalue())
    (event,) = of(at, key)
    assert event["content"]["state"] != "clean"
    if event["content"]["state"] == "matched":
        at.refused(answer, rule="r13_layer1")
        at.absent(key)


def test_a_tagged_file_in_three_archives_and_an_encoding_is_found(at: Ward) -> None:
    key = at.key("nested")
    answer = at.raw(key, gzip.compress(nested(at.tagged, 3)), [("Content-Encoding", "gzip")])
    at.refused(answer, rule="r13_layer1")
    at.absent(key)


@pytest.mark.parametrize("spoil", ["cut", "flipped"])
def test_a_damaged_archive_is_not_called_clean(at: Ward, spoil: str) -> None:
    whole = gzip.compress(os.urandom(256 * KIB))
    body = whole[: len(whole) // 2] if spoil == "cut" else whole[:-8] + bytes(8)
    key = at.key("damaged")
    at.raw(key, body, [("Content-Encoding", "gzip")])
    (event,) = of(at, key)
    assert event["content"]["state"] != "clean", event["content"]


# --- forms ---


def form(*parts: tuple[str, bytes], close: bytes = b"--edge--\r\n") -> bytes:
    made = b""
    for name, value in parts:
        made += b"--edge\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (name.encode(), value)
    return made + close


KEY = ('name="key"', b"form-object")
FORMS = {
    "no file": form(KEY, ('name="policy"', b"e30=")),
    "no part": form(),
    "no end": form(KEY, ('name="file"; filename="x"', PLAIN), close=b""),
    "another edge": form(KEY, ('name="file"; filename="x"', PLAIN)).replace(b"--edge", b"--egde"),
    "nameless": form(("x=y", PLAIN)),
}


@pytest.mark.parametrize("what", FORMS)
def test_a_form_without_a_whole_file_is_refused_in_words(at: Ward, what: str) -> None:
    answer = post(at, FORMS[what])
    at.refused(answer, BROKEN, cause="body-malformed")
    at.absent("form-object")


def test_a_form_with_a_second_file_behind_the_first_is_refused(at: Ward) -> None:
    file = 'name="file"; filename="x"'
    answer = post(at, form(KEY, (file, PLAIN), (file, at.tagged)))
    assert answer.status == 403, answer
    at.record(answer)
    at.absent("form-object")


def post(at: Ward, body: bytes) -> Answer:
    kind = [("Content-Type", "multipart/form-data; boundary=edge"), ("Authorization", "none")]
    return at.raw("", body, kind, method="POST")
