"""``ports.metrics.Metrics`` in Prometheus' form. A wrong name or label is counted, never raised: numbers must not stop
an upload's judgement. Shown over loopback HTTP or written to a node-exporter text file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from structlog.typing import FilteringBoundLogger

from haechi.domain.errors import HaechiError
from haechi.outbound.telemetry.catalogue import BOUNDS, METRICS, Kind, Metric

LABEL_LIMIT = 64
"""Different label sets of one metric; the rest is counted under ``other``. A hostile client must not grow memory."""


class PrometheusMetrics:
    """All metrics of one agent."""

    def __init__(self, metrics: Iterable[Metric] = METRICS) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._durations: dict[str, Histogram] = {}
        self._totals = _Totals()
        self.registry.register(self._totals)
        self._labels: dict[str, tuple[str, ...]] = {}
        self._seen: dict[str, set[tuple[str, ...]]] = {}
        for metric in metrics:
            self._labels[metric.name] = metric.labels
            self._seen[metric.name] = set()
            if metric.kind is Kind.COUNTER:
                self._counters[metric.name] = Counter(metric.name, metric.help, metric.labels, registry=self.registry)
            elif metric.kind is Kind.DURATION:
                self._durations[metric.name] = Histogram(
                    metric.name, metric.help, metric.labels, registry=self.registry, buckets=BOUNDS
                )
            elif metric.kind is Kind.GAUGE:
                self._totals.gauges[metric.name] = metric.help
                self._totals.labels[metric.name] = metric.labels
            else:
                self._totals.helps[metric.name] = metric.help

    def count(self, name: str, /, amount: int = 1, **labels: str) -> None:
        """Add to a counter."""
        counter = self._counters.get(name)
        if counter is None or not self._fits(name, labels) or amount < 0:
            self._unknown()
        elif labels:
            counter.labels(*self._bounded(name, labels)).inc(amount)
        else:
            counter.inc(amount)

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Note a duration."""
        duration = self._durations.get(name)
        if duration is None or not self._fits(name, labels):
            self._unknown()
        elif labels:
            duration.labels(*self._bounded(name, labels)).observe(seconds)
        else:
            duration.observe(seconds)

    def total(self, name: str, read: Callable[[], int]) -> None:
        """Ask ``read`` for a total whenever metrics are read, in another thread. Raises ``KeyError`` for a name that is
        no total.
        """
        self._totals.reads[self._totals.named(name)] = read

    def gauge(self, name: str, read: Callable[[], float | None]) -> None:
        """Ask ``read`` for a value whenever metrics are read, in another thread; None is not shown. Raises ``KeyError``
        for a name that is no gauge.
        """
        self._totals.values[name] = (self._totals.gauges[name], read)

    def gauges(self, name: str, read: Callable[[], Mapping[str, float] | None]) -> None:
        """The same for a gauge with one label, by its value."""
        if len(self._labels[name]) != 1:
            raise KeyError(name)
        self._totals.by_label[name] = (self._totals.gauges[name], read)

    def _fits(self, name: str, labels: dict[str, str]) -> bool:
        return set(labels) == set(self._labels[name])

    def _bounded(self, name: str, labels: dict[str, str]) -> tuple[str, ...]:
        values = tuple(str(labels[label])[:64] for label in self._labels[name])
        seen = self._seen[name]
        if values in seen or len(seen) < LABEL_LIMIT:
            seen.add(values)
            return values
        return ("other",) * len(values)

    def _unknown(self) -> None:
        self._counters["haechi_metrics_unknown_total"].inc()


class _Totals(Collector):
    """Counters that their own parts keep, and values."""

    def __init__(self) -> None:
        self.gauges: dict[str, str] = {}
        self.labels: dict[str, tuple[str, ...]] = {}
        self.values: dict[str, tuple[str, Callable[[], float | None]]] = {}
        self.by_label: dict[str, tuple[str, Callable[[], Mapping[str, float] | None]]] = {}
        self.helps: dict[str, str] = {}
        self.reads: dict[str, Callable[[], int]] = {}

    def named(self, name: str) -> str:
        """The name, if it is a total's. Raises ``KeyError``."""
        if name not in self.helps:
            raise KeyError(name)
        return name

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """What each part says now."""
        for name, read in list(self.reads.items()):
            yield CounterMetricFamily(name, self.helps[name], value=read())
        for name, (told, value) in list(self.values.items()):
            known = value()
            if known is not None:
                yield GaugeMetricFamily(name, told, value=known)
        for name, (told, several) in list(self.by_label.items()):
            family = GaugeMetricFamily(name, told, labels=self.labels[name])
            for label, one in (several() or {}).items():
                family.add_metric([label], one)
            yield family


def serve(metrics: PrometheusMetrics, port: int) -> tuple[int, Callable[[], None]]:
    """Show metrics at ``http://127.0.0.1:port/metrics``; the port in use, and how to stop.

    Raises ``HaechiError('telemetry.port')``.
    """
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=metrics.registry)
    except OSError as error:
        raise HaechiError("telemetry.port", port=port, reason=error.strerror or "") from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(5)

    return server.server_port, stop


async def write_regularly(metrics: PrometheusMetrics, file: Path, seconds: float, log: FilteringBoundLogger) -> None:
    """Write the text file for ever, atomically. A write that fails is logged and tried again next time."""
    while True:
        try:
            await asyncio.to_thread(write_to_textfile, str(file), metrics.registry)
        except OSError as error:
            log.warning("telemetry.textfile-failed", file=str(file), reason=error.strerror)
        await asyncio.sleep(seconds)
