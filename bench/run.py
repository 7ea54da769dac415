"""``make bench``: every figure of docs/benchmarks.md, the peers side by side in the same run, medians of five.

A full run writes bench/results.json and the table of the page, and ends with exit code 1 when a bar was not met or an
asked figure is missing. ``--quick`` (smaller bodies, fewer repetitions), ``--rounds`` and ``--only`` are for trying:
they write nothing; ``--quick`` judges nothing either. ``--profile`` measures where the time goes, and nothing else.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import (  # noqa: E402
    clouds,
    decisions,
    ends,
    guarding,
    indexing,
    institution,
    peers,
    posture,
    processes,
    profiling,
    replaying,
    squid,
    swapping,
)
from bench.figures import ASKED, Results, median  # noqa: E402
from tests.lab import Laboratory  # noqa: E402
from tests.stores.certificates import AWS_NAMES, StoreAuthority  # noqa: E402
from tests.stores.moto import OURS, MotoStore  # noqa: E402

BUCKET = ends.HOST.partition(".")[0]
ROUNDS = 5
GROWTH_MIB = 16.0
"""What counts as no growth from a body of 1 GiB to one of 10 GiB: this project's choice. It is less than 0.2 % of the
9 GiB that were added, and what allocators and page tables of three processes move about from run to run."""
IDLE_SECONDS = 30.0
PARTS = ("throughput", "small", "idle", "decisions", "swap", "index", "tag", "guard", "replay", "posture", "clouds")


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
def agent(
    store: MotoStore, sink_port: int, *, tagged: bool, launcher: Sequence[str] = (sys.executable,)
) -> Iterator[tuple[Way, Laboratory]]:
    """The whole agent. ``tagged``: with 64 MiB of protected content, so that every upload must be inspected."""
    services = ("s3", "s3control", "kms", "sts")
    more = "[destinations.endpoints]\n" + "".join(f'"{service}" = "{store.endpoint}"\n' for service in services)
    hosts = {"*.amazonaws.com": f"127.0.0.1:{sink_port}"}
    with Laboratory(store=store, hosts=hosts, more=more, launcher=launcher) as lab:
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


@contextmanager
def ends_and_store(folder: Path) -> Iterator[tuple[int, MotoStore, StoreAuthority]]:
    """The sink's port, the store that tells the bucket's facts, and whose certificates both show."""
    with ExitStack() as stack:
        authority = StoreAuthority(folder / "authority")
        leaf = authority.issue((*AWS_NAMES, ends.HOST), stem="sink")
        port = stack.enter_context(ends.sink(leaf.cert, leaf.key))
        store = stack.enter_context(MotoStore(authority=authority))
        store.client().create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": store.region})
        yield port, store, authority


def main() -> int:
    """Measure, print, write. The exit code is 1 when a bar was not met."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--only", choices=PARTS, default=None)
    options.add_argument("--profile", action="store_true")
    chosen = options.parse_args()
    if chosen.only not in ("replay", "swap", "posture"):  # which need neither client nor sink
        ends.build()
    if chosen.profile:
        profiling.write(ROOT / "bench" / "profile.txt", machine())
        return 0
    began, results = time.monotonic(), Results()
    measure(results, chosen.only, chosen.rounds, quick=chosen.quick)
    print(f"{time.monotonic() - began:.0f} s")
    if chosen.quick:
        print("a quick run: its marks are a hint, no bar is judged, nothing is written")
        return 0
    missed = results.missed(ASKED if chosen.only is None else frozenset())
    if chosen.only is None and chosen.rounds == ROUNDS:
        results.write(f"Measured on {machine()}; medians of {ROUNDS}.")
    else:
        print("a part of a run, or not of five rounds: nothing is written")
    if missed:
        print("below what was asked:\n  " + "\n  ".join(missed))
    return 1 if missed else 0


def measure(results: Results, only: str | None, rounds: int, *, quick: bool) -> None:
    """Every figure, or those of one part."""
    if only in (None, "replay"):
        replaying.measure(results, rounds, quick=quick)
    if only in (None, "posture"):
        asked(results)
    if only in (None, "clouds"):
        compared(results, rounds, quick=quick)
    if only in ("replay", "posture", "clouds"):
        return
    size = (128 << 20) if quick else ends.GIB
    wanted = lambda part: only in (None, part)  # noqa: E731
    if wanted("swap"):  # before the agent runs beside it
        swapped(results)
    if only == "swap":
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haechi-bench-")))
        port, store, authority = stack.enter_context(ends_and_store(folder))
        inspecting, lab = stack.enter_context(agent(store, port, tagged=True))
        if wanted("idle"):  # first: with nothing else on the machine but its own store and sink
            idle = processes.busy_share(processes.family(lab.pid), IDLE_SECONDS)
            results.plain("idle_cpu", idle * 100, "% of a core")
        if wanted("throughput") or wanted("small"):
            with ExitStack() as others:
                ways = all_ways(results, others, folder, port, store, authority.ca, inspecting)
                if wanted("throughput"):
                    throughput(results, ways, size, rounds, lab, quick=quick)
                if wanted("small"):
                    small(results, ways, rounds, quick=quick)
        if wanted("tag"):
            taken = indexing.tag_to_refusal(lab, ends.HOST, 20 if quick else 501)
            results.plain("tag_to_refusal_p99", taken[int(0.99 * (len(taken) - 1))], "ms", most=50)
        if wanted("guard"):
            rows = [guarding.measure(lab, port, authority.ca, 300 if quick else 1000) for _ in range(rounds)]
            beside = ("the same put without it", median([row.plain for row in rows]))
            results.plain("guard_added_p50", median([row.added for row in rows]), "ms", most=2, beside=beside)
    if wanted("decisions"):
        decided(results)
    if wanted("index"):
        with tempfile.TemporaryDirectory(prefix="haechi-bench-") as place:
            pairs = [indexing.large(Path(place), size) for _ in range(rounds)]
            ours, theirs = median([one for one, _ in pairs]), median([one for _, one in pairs])
            results.ratio("index_large", ours / 1e6, "MB/s", "b3sum-equivalent, one thread", theirs / 1e6, least=0.3)
            rate = median([indexing.small(Path(place), 2_000 if quick else 20_000) for _ in range(rounds)])
            results.plain("index_small", rate, "files/s", least=8000)


def all_ways(
    results: Results, stack: ExitStack, folder: Path, port: int, store: MotoStore, ca: Path, inspecting: Way
) -> dict[str, Way]:
    """Every way from client to sink, by name; ``stack`` takes them down."""
    passing, _ = stack.enter_context(agent(store, port, tagged=False))
    mitm = stack.enter_context(peers.mitmproxy(folder, port, ca))
    ways = {
        "direct": Way("direct", ca, port=port),
        "envoy": stack.enter_context(data_path("none", folder / "none", port, ca)),
        "hashing": stack.enter_context(data_path("hashing", folder / "hashing", port, ca)),
        "inspected": inspecting,
        "uninspected": passing,
        "mitmproxy": Way("mitmproxy", mitm.ca, proxy=mitm.port, pid=mitm.pid),
    }
    try:
        peer = stack.enter_context(squid.squid(folder, port, ca))
        ways["squid"] = Way("squid", peer.ca, proxy=peer.port, pid=peer.pid)
    except squid.AbsentError as error:
        for name in ("put_1gib_squid_ssl_bump_throughput", "put_1gib_squid_ssl_bump_cpu", "put_4kib_squid_p50"):
            results.lack(name, str(error))
    return ways


def decided(results: Results) -> None:
    """What a decision costs."""
    measured = decisions.measure(ROOT / "policies")
    results.plain("decision_input", measured.size, "bytes")
    beside = ("OPA's evaluator, input parsed before", measured.opa)
    results.plain("decision_p50", measured.p50, "ms", most=0.5, beside=beside)
    results.plain("decision_p99", measured.p99, "ms", most=2)
    results.plain("decision_cached_p50", measured.cached, "ms", most=0.05)
    results.plain("decision_recognised_input", measured.recognised_size, "bytes")
    results.plain("decision_recognised_p50", measured.recognised, "ms")
    full = institution.measure(ROOT / "policies")
    results.plain("decision_full_p50", full.p50, "ms", most=0.8)
    results.plain("decision_full_p99", full.p99, "ms", most=2)
    results.plain("decision_full_alternating_p50", full.alternating, "ms")
    results.plain("decision_full_facts_p50", full.facts, "ms")
    results.ratio("decision_full_vs_opa", full.round_trip, "ms", "an OPA server on loopback", full.opa, most=0.6)


def asked(results: Results) -> None:
    """How often a store is asked about its containers: counted, so one run says it."""
    counted = posture.measure()
    results.plain("posture_joined_reads", counted.joined, "reads", most=1)
    results.plain("posture_joined_containers", counted.read, "containers read")
    results.plain("posture_cold_roundtrips", counted.cold, "round trips", most=2)


def compared(results: Results, rounds: int, *, quick: bool) -> None:
    """What each cloud's own form of an upload of 4 KiB costs beside S3's."""
    found = clouds.measure(rounds, 100 if quick else 500)
    for name, bar in ((clouds.GCS, 1.1), (clouds.AZURE, 1.1), (clouds.GCS_BARE, 0), (clouds.S3_BARE, 0)):
        ours, theirs = found[name].medians
        peer = "S3, the bare object" if name in clouds.BESIDE else "S3"
        results.ratio(f"put_4kib_{name}_vs_s3", ours, "ms", peer, theirs, most=bar)
        results.plain(f"put_4kib_{name}_spread", found[name].spread, "between the ratios of the rounds")


def swapped(results: Results) -> None:
    """What a change of policies costs whoever asks meanwhile."""
    measured = swapping.measure(ROOT / "policies")
    beside = ("spans as long without a swap", measured.calm)
    results.plain("bundle_swap_pause", measured.pause, "ms", most=5, beside=beside)
    results.plain("bundle_swap_middle", measured.middle, "ms")
    results.plain("bundle_swap_change", measured.change, "ms")
    results.plain("bundle_swap_steady", measured.steady, "ms")


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
            if ways[name].pid:  # going straight has no process between
                results.plain(f"put_1gib_{title}_cpu", used[name], "s/GiB")
    results.plain("put_1gib_inspected_cpu", used["inspected"], "s/GiB")
    way = ways["inspected"]
    one = sampled(lab.pid, lambda: way.put(size=size, count=1))
    ten = sampled(lab.pid, lambda: way.put(size=size * 10, count=1))
    results.plain("resident_1gib", one, "MiB", most=350)
    results.plain("resident_10gib", ten, "MiB", most=350)
    results.plain("resident_growth", ten - one, "MiB", most=GROWTH_MIB)


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


def machine() -> str:
    """The machine, for the note beside the figures."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in told if line.startswith("model name")), "some processor")
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
