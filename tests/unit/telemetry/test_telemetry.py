"""Operations logs keep secrets out; metrics never stop anybody, and every one is documented."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from haechi.domain.errors import HaechiError
from haechi.outbound.telemetry.catalogue import METRICS, Kind
from haechi.outbound.telemetry.lines import Lines
from haechi.outbound.telemetry.logs import configure
from haechi.outbound.telemetry.prometheus import LABEL_LIMIT, PrometheusMetrics, serve, write_regularly
from prometheus_client import generate_latest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Any]:
    file = tmp_path / "log" / "agent.log"
    configure("info", file)
    yield lambda: [json.loads(line) for line in file.read_text().splitlines()]
    structlog.reset_defaults()
    logging.basicConfig(force=True)


def test_a_log_line_is_json_with_time_and_level(lines: Any) -> None:
    structlog.get_logger("x").warning("envoy.restarted", times=2)
    (line,) = lines()
    assert (line["event"], line["level"], line["times"]) == ("envoy.restarted", "warning", 2)
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ({"authorization": "AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=abcdef123"}, "abcdef123"),
        ({"url": "https://b.s3.amazonaws.com/k?X-Amz-Signature=abcdef123&x=1"}, "abcdef123"),
        ({"reason": "no answer from https://kim:hunter2@proxy:3128/ now"}, "hunter2"),
        ({"reason": "key AGE-SECRET-KEY-1QQQSECRETQQQ is bad"}, "SECRETQQQ"),
        ({"reason": "sent Bearer ey.abc.def"}, "ey.abc.def"),
        ({"data": b"plain body"}, "plain body"),
        ({"nested": {"aws_secret_access_key": "hunter2"}}, "hunter2"),
        ({"request_body": "the design"}, "the design"),
    ],
)
def test_no_secret_reaches_a_line(lines: Any, fields: dict[str, Any], secret: str) -> None:
    structlog.get_logger("x").error("something", **fields)
    assert secret not in json.dumps(lines())


def test_a_traceback_shows_no_variables(lines: Any) -> None:
    hidden = "hunter2" + "hunter2"
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    text = json.dumps(lines())
    assert "broken" in text
    assert hidden not in text


def test_libraries_take_the_same_way(lines: Any) -> None:
    logging.getLogger("botocore").warning("retry https://h/?X-Amz-Signature=abcdef123")
    (line,) = lines()
    assert line["logger"] == "botocore"
    assert "abcdef123" not in json.dumps(line)


class Disk:
    """A descriptor's disk: so many bytes still fit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = self._write(descriptor, data[: self.room])
        self.room -= done
        return done


def test_a_full_disk_stops_nobody_who_logs() -> None:
    output = configure("info", Path("/dev/full"))
    log = structlog.get_logger("x")
    try:
        for number in range(3):
            log.error("audit-outage", number=number)
            try:
                raise ValueError("broken")
            except ValueError:
                log.exception("failed")
            logging.getLogger("grpc").error("told by a library")
    finally:
        structlog.reset_defaults()
        logging.basicConfig(force=True)
    assert output.problem is not None
    assert (output.problem.code, output.problem.params["file"]) == ("telemetry.log-disk-full", "/dev/full")


def test_lines_that_a_full_disk_refused_are_written_whole_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = (tmp_path / "log").open("wb", buffering=0)
    disk = Disk(monkeypatch, room=13)
    lines = Lines(file.fileno(), "log")
    for number in range(4):
        lines.write(f"line {number}, ok\n")
    assert lines.problem is not None
    disk.room = 1000
    assert lines.problem is None
    assert (tmp_path / "log").read_text().splitlines() == [f"line {number}, ok" for number in range(4)]
    assert lines.lost == 0


def test_lines_without_room_in_memory_are_counted_and_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = (tmp_path / "log").open("wb", buffering=0)
    disk = Disk(monkeypatch, room=0)
    lines = Lines(file.fileno(), "log", most=30)
    for number in range(5):
        lines.write(f"line {number}, ok\n")
    assert lines.lost == 3
    disk.room = 1000
    lines.flush()
    first, second, told = (tmp_path / "log").read_text().splitlines()
    assert (first, second) == ("line 0, ok", "line 1, ok")
    assert json.loads(told) == {"event": "log.lines-lost", "level": "warning", "lines": 3}


def test_numbers_are_read_over_loopback() -> None:
    metrics = PrometheusMetrics()
    metrics.count("haechi_decisions_total", effect="block", operation="PutObject")
    port, stop = serve(metrics, 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    finally:
        stop()
    assert 'haechi_decisions_total{effect="block",operation="PutObject"} 1.0' in text


def test_a_total_is_read_from_its_part_whenever_metrics_are() -> None:
    metrics, dropped = PrometheusMetrics(), [0]
    metrics.total("haechi_watch_dropped_total", lambda: dropped[0])
    assert metrics.registry.get_sample_value("haechi_watch_dropped_total") == 0
    dropped[0] = 3
    assert metrics.registry.get_sample_value("haechi_watch_dropped_total") == 3
    assert "# TYPE haechi_watch_dropped_total counter" in generate_latest(metrics.registry).decode()
    with pytest.raises(KeyError):
        metrics.total("haechi_decisions_total", lambda: 1)


def test_a_port_in_use_is_named() -> None:
    port, stop = serve(PrometheusMetrics(), 0)
    try:
        with pytest.raises(HaechiError) as caught:
            serve(PrometheusMetrics(), port)
        assert caught.value.code == "telemetry.port"
    finally:
        stop()


async def test_the_text_file_is_written_and_a_failing_one_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "later" / "haechi.prom"
    task = asyncio.create_task(write_regularly(PrometheusMetrics(), file, 0.02, structlog.get_logger()))
    await asyncio.sleep(0.05)
    file.parent.mkdir()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if file.exists():
            break
    task.cancel()
    assert "haechi_decisions_total" in file.read_text()


def test_a_wrong_name_or_label_is_counted_and_not_raised() -> None:
    metrics = PrometheusMetrics()
    metrics.count("haechi_no_such_thing")
    metrics.count("haechi_decisions_total", colour="red")
    metrics.observe("haechi_decisions_total", 1.0)
    assert metrics.registry.get_sample_value("haechi_metrics_unknown_total") == 3


def test_hostile_label_values_do_not_grow_without_bound() -> None:
    metrics = PrometheusMetrics()
    for number in range(LABEL_LIMIT * 3):
        metrics.count("haechi_decisions_total", effect="block", operation=f"Op{number}")
    other = metrics.registry.get_sample_value("haechi_decisions_total", {"effect": "other", "operation": "other"})
    assert other == LABEL_LIMIT * 2


def used_metrics() -> dict[str, set[str]]:
    """Every metric that the source sends to, by name."""
    found: dict[str, set[str]] = {}
    for folder in ("agent/haechi", "connectors"):
        for file in (ROOT / folder).rglob("*.py"):
            for call in re.finditer(
                r"\._?(?:count|observe|total)\(\s*\"(haechi_\w+)\"", file.read_text(encoding="utf-8")
            ):
                found.setdefault(call[1], set()).add(str(file.relative_to(ROOT)))
    return found


def test_every_metric_that_the_source_sends_exists_in_the_catalogue() -> None:
    unknown = {name: where for name, where in used_metrics().items() if name not in {m.name for m in METRICS}}
    assert unknown == {}


def test_every_total_has_a_part_that_tells_it() -> None:
    assert {metric.name for metric in METRICS if metric.kind is Kind.TOTAL} <= set(used_metrics())


@pytest.mark.parametrize("page", ["docs/metrics.md", "docs/metrics.ko.md"])
def test_every_metric_and_label_is_documented_in_both_languages(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in text.splitlines() if line.startswith("| `haechi_")}
    assert set(rows) == {metric.name for metric in METRICS}
    for metric in METRICS:
        assert all(f"`{label}`" in rows[metric.name] for label in metric.labels), metric.name
