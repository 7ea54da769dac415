"""The two neutral ends of every measurement: a TLS sink and a client, both from ``bench/tool`` (plain Go)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TOOL = ROOT / ".tools" / "bin" / "benchtool"
HOST = "bench-bucket.s3.ap-northeast-2.amazonaws.com"
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Put:
    """One measurement of the client: see ``result`` in bench/tool/main.go."""

    requests: int
    errors: int
    seconds: float
    mb_per_s: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    last_status: int


def build() -> None:
    """Compile the tool when its source is newer."""
    source = HERE / "tool" / "main.go"
    if TOOL.exists() and TOOL.stat().st_mtime > source.stat().st_mtime:
        return
    TOOL.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["go", "build", "-o", str(TOOL), "."], cwd=HERE / "tool", check=True)


@contextmanager
def sink(cert: Path, key: Path) -> Iterator[int]:
    """A running sink; yields its port."""
    process = subprocess.Popen(
        [str(TOOL), "sink", "-cert", str(cert), "-key", str(key)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def put(
    ca: Path,
    *,
    proxy: int | None = None,
    port: int | None = None,
    size: int,
    count: int,
    connections: int = 1,
    warm: int = 0,
    host: str = HOST,
    timeout: float = 600,
) -> Put:
    """Send ``count`` uploads of ``size`` bytes, through a proxy's port or straight to the sink's."""
    command = [str(TOOL), "put", "-url", f"https://{host}/bench/object-%d", "-ca", str(ca)]
    command += ["-size", str(size), "-n", str(count), "-connections", str(connections), "-warm", str(warm)]
    command += ["-proxy", f"http://127.0.0.1:{proxy}"] if proxy else ["-connect", f"127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RuntimeError(f"the client failed: {done.stderr[-2000:]}")
    result = Put(**json.loads(done.stdout))
    if result.errors:
        raise RuntimeError(f"{result.errors} of {result.requests} uploads failed: {done.stderr[-2000:]} {result}")
    return result
