"""What every ``ports.metrics`` takes: the judging tests' fake refuses what the agent's own would count as unknown."""

from __future__ import annotations

import pytest
from haechi.outbound.telemetry.catalogue import METRICS, Kind, Metric
from haechi.outbound.telemetry.prometheus import PrometheusMetrics

from tests.fakes import CountedMetrics

SENT = [metric for metric in METRICS if metric.kind in (Kind.COUNTER, Kind.DURATION)]


def send(metrics: CountedMetrics | PrometheusMetrics, metric: Metric, **labels: str) -> None:
    if metric.kind is Kind.COUNTER:
        metrics.count(metric.name, **labels)
    else:
        metrics.observe(metric.name, 0.5, **labels)


def taken(metrics: CountedMetrics | PrometheusMetrics, metric: Metric, **labels: str) -> bool:
    """Whether a metric takes it, told in each one's own way."""
    try:
        send(metrics, metric, **labels)
    except AssertionError:
        return False
    if isinstance(metrics, PrometheusMetrics):
        return not metrics.registry.get_sample_value("haechi_metrics_unknown_total")
    return True


@pytest.fixture(params=[CountedMetrics, PrometheusMetrics])
def metrics(request: pytest.FixtureRequest) -> CountedMetrics | PrometheusMetrics:
    made: CountedMetrics | PrometheusMetrics = request.param()
    return made


@pytest.mark.parametrize("metric", [m for m in SENT if m.name != "haechi_metrics_unknown_total"], ids=lambda m: m.name)
def test_every_metric_takes_its_own_labels(metrics: CountedMetrics | PrometheusMetrics, metric: Metric) -> None:
    assert taken(metrics, metric, **dict.fromkeys(metric.labels, "x"))


@pytest.mark.parametrize("metric", SENT, ids=lambda m: m.name)
def test_no_metric_takes_a_label_that_is_not_its_own(
    metrics: CountedMetrics | PrometheusMetrics, metric: Metric
) -> None:
    assert not taken(metrics, metric, colour="red")


@pytest.mark.parametrize("kind", [Kind.COUNTER, Kind.DURATION])
def test_a_name_that_is_none_is_not_taken(metrics: CountedMetrics | PrometheusMetrics, kind: Kind) -> None:
    assert not taken(metrics, Metric("haechi_no_such_thing", kind, ""))
