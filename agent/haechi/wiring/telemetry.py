"""Numbers and notices: of use to people, never to a verdict."""

from __future__ import annotations

import structlog

from haechi.outbound.notify.desktop import DesktopNotices, notifier
from haechi.outbound.telemetry.prometheus import serve, write_regularly
from haechi.settings import Layout
from haechi.wiring.ground import Ground

log = structlog.get_logger(__name__)


def start_telemetry(ground: Ground) -> DesktopNotices:
    """Show the metrics as the settings say; give the desktop's notices."""
    ground.metrics.total("haechi_log_lines_lost_total", lambda: ground.log_lines.lost)
    wanted, notices = ground.settings.telemetry, ground.settings.notify
    if wanted.metrics == "http":
        _, stop = serve(ground.metrics, wanted.metrics_port)
        ground.stack.callback(stop)
    elif wanted.metrics == "textfile":
        file = wanted.textfile or ground.paths.state / "haechi.prom"
        ground.background(write_regularly(ground.metrics, file, wanted.textfile_interval, log), "textfile")
    program = notifier() if notices.desktop and ground.paths.layout is Layout.USER else ""
    made = DesktopNotices(program, notices.per_minute, ground.clock, ground.metrics)
    ground.stack.push_async_callback(made.close)
    return made
