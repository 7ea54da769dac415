"""Desktop notices: shown with plain text, limited, and never in anybody's way."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from haechi.outbound.clock import SystemClock
from haechi.outbound.notify.desktop import DesktopNotices, notifier
from haechi.outbound.telemetry.prometheus import PrometheusMetrics


def program(folder: Path, body: str) -> str:
    file = folder / "notify-send"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


def dropped(metrics: PrometheusMetrics, cause: str) -> float | None:
    return metrics.registry.get_sample_value("haechi_notices_dropped_total", {"cause": cause})


async def test_a_notice_is_shown_as_plain_text(tmp_path: Path) -> None:
    notices = DesktopNotices(
        program(tmp_path, f'printf "%s|" "$@" > {tmp_path}/said'), 5, SystemClock(), PrometheusMetrics()
    )
    assert notices.show("해치", "<b>x</b> & \x1b[31my")
    async with asyncio.timeout(5):
        while notices._running:
            await asyncio.sleep(0.01)
    assert (tmp_path / "said").read_text().split("|")[-3:-1] == ["해치", "&lt;b&gt;x&lt;/b&gt; &amp;  [31my"]


async def test_more_than_the_limit_are_dropped_and_counted(tmp_path: Path) -> None:
    metrics = PrometheusMetrics()
    notices = DesktopNotices(program(tmp_path, "exit 0"), 2, SystemClock(), metrics)
    assert [notices.show("a", "b") for _ in range(4)] == [True, True, False, False]
    assert dropped(metrics, "rate") == 2
    await notices.close()


async def test_a_program_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    notices = DesktopNotices(program(tmp_path, "exec sleep 20"), 60, SystemClock(), metrics := PrometheusMetrics())
    began = time.monotonic()
    taken = [notices.show("a", "b") for _ in range(6)]
    assert time.monotonic() - began < 10, "as long as the program hangs"
    assert taken == [True] * 4 + [False] * 2
    assert dropped(metrics, "busy") == 2
    await notices.close()


async def test_a_missing_program_is_counted_and_nothing_raised(tmp_path: Path) -> None:
    notices = DesktopNotices(str(tmp_path / "gone"), 5, SystemClock(), metrics := PrometheusMetrics())
    notices.show("a", "b")
    async with asyncio.timeout(5):
        while dropped(metrics, "failed") != 1:
            await asyncio.sleep(0.01)


async def test_without_a_desktop_nothing_is_tried(tmp_path: Path) -> None:
    program(tmp_path, "exit 0")
    assert notifier({"PATH": str(tmp_path)}) == ""
    assert notifier({"PATH": str(tmp_path), "DISPLAY": ":0"}) == str(tmp_path / "notify-send")
    notices = DesktopNotices("", 5, SystemClock(), metrics := PrometheusMetrics())
    assert not notices.show("a", "b")
    assert dropped(metrics, "headless") == 1
