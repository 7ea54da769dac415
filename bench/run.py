"""``make bench``: every figure of docs/benchmarks.md, the peers side by side in the same run, medians of five.

``--rounds N`` and ``--quick`` (smaller bodies, fewer repetitions) are for trying out; only a full run writes results.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import decisions, ends, indexing, peers, processes  # noqa: E402
from bench.figures import Results, median  # noqa: E402
from tests.lab import Laboratory  # noqa: E402
from tests.stores.certificates import AWS_NAMES, StoreAuthority  # noqa: E402
from tests.stores.moto import OURS, MotoStore  # noqa: E402

BUCKET = ends.HOST.partition(".")[0]


class Way:
    """One way from client to sink."""

    def __init__(
        self, name: str, ca: Path, *, proxy: int | None = None, port: int | None = None, pid: int | None = None
    ) -> None:
        self.name, self.ca, self.proxy, self.port, self.pid = name, ca, proxy, port, pid

    def put(self, **how: int) -> ends.Put:
        """Send uploads."""
        return ends.put(self.ca, proxy=self.proxy, port=self.port, **how)

    def cpu(self) -> float:
        """CPU seconds of its processes so far."""
        return processes.cpu_seconds(processes.family(self.pid)) if self.pid else 0.0


@contextmanager
def data_path(kind: str, folder: Path, port: int, ca: Path) -> Iterator[Way]:
    """Our data path with a judge that only hashes, or with none."""
    folder.mkdir()
    command = [sys.executable, "-m", "bench.judges", kind, str(folder), str(port), str(ca)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        proxy, bundle = process.stdout.readline().split()
        yield Way(kind, Path(bundle), proxy=int(proxy), pid=process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def agent(store: MotoStore, sink_port: int, *, tagged: bool) -> Iterator[tuple[Way, Laboratory]]:
    """The whole agent. ``tagged``: with 64 MiB of protected content, so that every upload must be inspected."""
    services = ("s3", "s3control", "kms", "sts")
    more = "[destinations.endpoints]\n" + "".join(f'"{service}" = "{store.endpoint}"\n' for service in services)
    hosts = {"*.amazonaws.com": f"127.0.0.1:{sink_port}"}
    with Laboratory(store=store, hosts=hosts, more=more) as lab:
        lab.institution.publish(accounts=[OURS.id])
        lab.configure()
        if tagged:
            (lab.work / "protected.bin").write_bytes(os.urandom(64 << 20))
        lab.start()
        if tagged:
            done = lab.haechi("tag", lab.work / "protected.bin", "--technology", "SEM-01", "--grade", "A")
            if done.status:
                raise RuntimeError(done.said)
        described = lab.asked("status")["parts"]["data_path"]
        yield Way("agent", Path(described["bundle"]), proxy=described["proxy_port"], pid=lab.pid), lab


def sampled(pid: int, work: Callable[[], object]) -> float:
    """The most resident memory of a process and its descendants while ``work`` runs, MiB."""
    highest, done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.2):
            highest = max(highest, processes.resident_mib(processes.family(pid)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return highest


def main() -> int:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--only", choices=("throughput", "small", "decisions", "index", "tag"), default=None)
    chosen = options.parse_args()
    quick, rounds = chosen.quick, chosen.rounds
    size = (128 << 20) if quick else ends.GIB
    wanted = lambda part: chosen.only in (None, part)  # noqa: E731
    results = Results()
    ends.build()
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haechi-bench-")))
        authority = StoreAuthority(folder / "authority")
        leaf = authority.issue((*AWS_NAMES, ends.HOST), stem="sink")
        port = stack.enter_context(ends.sink(leaf.cert, leaf.key))
        store = stack.enter_context(MotoStore(authority=authority))
        store.client().create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": store.region})
        mitm_peer = stack.enter_context(peers.mitmproxy(folder, port, authority.ca))
        squid_peer = stack.enter_context(peers.squid(folder, port, authority.ca))
        inspecting, lab = stack.enter_context(agent(store, port, tagged=True))
        passing, _ = stack.enter_context(agent(store, port, tagged=False))
        ways = {
            "direct": Way("direct", authority.ca, port=port),
            "envoy": stack.enter_context(data_path("none", folder / "none", port, authority.ca)),
            "hashing": stack.enter_context(data_path("hashing", folder / "hashing", port, authority.ca)),
            "inspected": inspecting,
            "uninspected": passing,
            "mitmproxy": Way("mitmproxy", mitm_peer.ca, proxy=mitm_peer.port, pid=mitm_peer.pid),
        }
        if squid_peer is not None:
            ways["squid"] = Way("squid", squid_peer.ca, proxy=squid_peer.port, pid=squid_peer.pid)
        if wanted("throughput"):
            throughput(results, ways, size, rounds, lab, quick=quick)
        if wanted("small"):
            small(results, ways, rounds, quick=quick)
        if wanted("decisions"):
            # One plain PUT: the sink cannot answer the questions that a multipart upload asks.
            (lab.work / "refused.bin").write_bytes((lab.work / "protected.bin").read_bytes()[: 64 << 10])
            lab.through(sys.executable, ROOT / "demo" / "boto.py", "put", lab.work / "refused.bin", BUCKET, "refused")
            facts = next(one["input"] for one in reversed(lab.decisions()) if one["decision"]["effect"] == "block")
            measured = decisions.measure(facts, ROOT / "policies")
            print(f"  (policy input of {measured['input']} bytes)")
            results.plain("decision_p50", measured["p50"], "ms", most=0.5)
            results.plain("decision_p99", measured["p99"], "ms", most=2)
            results.plain("decision_cached_p50", measured["cached"], "ms", most=0.05)
        if wanted("tag"):
            taken = indexing.tag_to_refusal(lab, ends.HOST, 20 if quick else 501)
            results.plain("tag_to_refusal_p99", taken[int(0.99 * (len(taken) - 1))], "ms", most=50)
    if wanted("index"):
        with tempfile.TemporaryDirectory(prefix="haechi-bench-") as place:
            pairs = [indexing.large(Path(place), size) for _ in range(rounds)]
            ours, theirs = median([one for one, _ in pairs]), median([one for _, one in pairs])
            results.ratio("index_large", ours / 1e6, "MB/s", "b3sum-equivalent, one thread", theirs / 1e6, least=0.3)
            rate = median([indexing.small(Path(place), 2_000 if quick else 20_000) for _ in range(rounds)])
            results.plain("index_small", rate, "files/s", least=8000)
    print(f"{time.monotonic() - began:.0f} s")
    missed = [figure.name for figure in results.figures if figure.met is False]
    if not quick:
        results.write(
            f"Measured on {cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}, "
            f"Python {platform.python_version()}; medians of {rounds}."
        )
    if missed:
        print("below what was asked: " + ", ".join(missed))
    return 0


def throughput(results: Results, ways: dict[str, Way], size: int, rounds: int, lab: Laboratory, *, quick: bool) -> None:
    """One large upload at a time, every way in turn, so that what disturbs one disturbs all."""
    speed, cpu = defaultdict(list), defaultdict(list)
    for way in ways.values():
        way.put(size=1 << 20, count=2)
    for _ in range(rounds):
        for name, way in ways.items():
            before = way.cpu()
            speed[name].append(way.put(size=size, count=1).mb_per_s)
            cpu[name].append((way.cpu() - before) * ends.GIB / size)
    at = {name: median(values) for name, values in speed.items()}
    used = {name: median(values) for name, values in cpu.items()}
    theirs = at["mitmproxy"]
    results.ratio("put_1gib_same_job_throughput", at["hashing"], "MB/s", "mitmproxy", theirs, least=1.1)
    results.ratio("put_1gib_same_job_cpu", used["hashing"], "s/GiB", "mitmproxy", used["mitmproxy"], most=0.9)
    results.ratio("put_1gib_inspected_throughput", at["inspected"], "MB/s", "mitmproxy", theirs, least=1.0)
    results.ratio("put_1gib_uninspected_throughput", at["uninspected"], "MB/s", "mitmproxy", theirs, least=2.0)
    for name, title in (("direct", "direct"), ("envoy", "envoy_without_judge"), ("squid", "squid_ssl_bump")):
        if name in at:
            results.plain(f"put_1gib_{title}_throughput", at[name], "MB/s")
            results.plain(f"put_1gib_{title}_cpu", used[name], "s/GiB")
    results.plain("put_1gib_inspected_cpu", used["inspected"], "s/GiB")
    way = ways["inspected"]
    one = sampled(lab.pid, lambda: way.put(size=size, count=1))
    ten = sampled(lab.pid, lambda: way.put(size=size * 10, count=1))
    results.plain("resident_1gib", one, "MiB", most=350)
    results.plain("resident_10gib", ten, "MiB", most=350)
    results.plain("resident_growth", ten - one, "MiB")


def small(results: Results, ways: dict[str, Way], rounds: int, *, quick: bool) -> None:
    """Uploads of 4 KiB on one kept-alive connection, then over 32."""
    p50, p99, rate = defaultdict(list), defaultdict(list), defaultdict(list)
    count = 300 if quick else 1500
    for _ in range(rounds):
        for name, way in ways.items():
            seen = way.put(size=4096, count=count, warm=30)
            p50[name].append(seen.p50_ms)
            p99[name].append(seen.p99_ms)
        for name in ("inspected", "mitmproxy"):
            rate[name].append(ways[name].put(size=4096, count=count * 3, connections=32, warm=5).requests_per_s)
    direct = median(p50["direct"])
    ours, theirs = median(p50["inspected"]) - direct, median(p50["mitmproxy"]) - direct
    results.ratio("put_4kib_added_p50", ours, "ms", "mitmproxy", theirs, most=0.7)
    results.plain("put_4kib_added_p99", median(p99["inspected"]) - median(p99["direct"]), "ms", most=6)
    results.plain("put_4kib_rate", median(rate["inspected"]), "requests/s", least=700)
    results.plain("put_4kib_rate_mitmproxy", median(rate["mitmproxy"]), "requests/s")
    for name in ("direct", "envoy", "squid"):
        if name in p50:
            results.plain(f"put_4kib_{name}_p50", median(p50[name]), "ms")


def cpu_model() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "an unnamed processor"


if __name__ == "__main__":
    sys.exit(main())
