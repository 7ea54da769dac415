"""``haechi doctor`` against a running agent: what it proves, what it admits, what remains of it."""

from __future__ import annotations

import http.server
import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.tools_lab import Bench, bench, found

pytestmark = pytest.mark.e2e
SURE = ("aws", "boto3", "curl", "node", "java", "git")
"""What the project has on every machine that runs its tests."""
ELSEWHERE = ("gsutil", "gcloud", "az", "azcopy", "rclone", "s3cmd")
"""Tried where they are installed."""


@pytest.fixture(scope="module")
def there() -> Iterator[Bench]:
    with bench() as made:
        yield made


@contextmanager
def outside(at: Bench) -> Iterator[int]:
    """Somebody's server that takes whatever is sent, beyond the agent."""

    class Taker(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(at.store.certificate.cert, at.store.certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def wrapper(folder: Path, script: str) -> str:
    """A ``curl`` that comes before the real one; the PATH that finds it."""
    folder.mkdir()
    made = folder / "curl"
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    return f"{folder}:/usr/local/bin:/usr/bin:/bin"


def test_every_tool_is_proven_and_the_result_is_kept(there: Bench) -> None:
    for tool in ("aws", "curl", "node", "java", "git"):
        found(tool)
    assert there.lab.asked("status")["self_test"] is None
    only = [word for tool in SURE for word in ("--tool", tool)]
    done = there.lab.haechi("doctor", *only, seconds=120)
    assert done.status == 0, done.said
    for tool in SURE:
        assert [line for line in done.out.splitlines() if line.startswith(tool) and "refused" in line], done.out
    kept = there.lab.asked("status")["self_test"]
    assert kept["proven"] is True
    assert kept["tools"] == dict.fromkeys(SURE, "refused")
    assert "self-test" in there.lab.haechi("status").out
    assert "doctor" in there.lab.haechi("audit", "tail", "-n", "1").out


def test_the_agent_names_the_process_and_connection_that_it_saw(there: Bench) -> None:
    row = there.lab.asked("doctor", "--tool", "curl")["tools"][0]
    assert (row["outcome"], row["executable"]) == ("refused", found("curl"))
    kept = there.lab.asked("status")["self_test"]["evidence"]["curl"]
    assert (kept["decision"], kept["executable"]) == (row["decision"], row["executable"])
    assert kept["connection"]["sni"].startswith("haechi-doctor-")
    event = next(one for one in there.lab.decisions() if one["id"] == row["decision"])
    assert event["content"]["matches"][0]["name"].rpartition("/")[2].startswith("haechi-doctor-")


@pytest.mark.parametrize("tool", ELSEWHERE)
def test_a_tool_of_another_cloud_is_proven(there: Bench, tool: str) -> None:
    place = str(Path(found(tool)).parent)
    path = f"{place}:{os.environ['PATH']}"
    done = there.lab.haechi("doctor", "--tool", tool, "--timeout", "120", "--json", seconds=180, PATH=path)
    assert done.status == 0, done.said
    (row,) = json.loads(done.out)["tools"]
    assert row["outcome"] == "refused"
    event = next(one for one in there.lab.decisions() if one["id"] == row["decision"])
    assert event["content"]["state"] == "matched"


def test_nothing_is_forwarded_of_what_a_tool_asks_first(there: Bench) -> None:
    """The agent answers in the place of a store that is not there."""
    there.lab.haechi("doctor", "--tool", "git")
    host = there.lab.asked("status")["self_test"]["evidence"]["git"]["connection"]["sni"]
    assert host.startswith("haechi-doctor-elsewhere-")
    done = there.lab.through(found("curl"), "-sS", f"https://{host}/x.git/info/refs?service=git-receive-pack")
    assert "git-receive-pack" not in done.out, "the proof has ended, and with it the answers"


def test_nothing_synthetic_stays_protected(there: Bench) -> None:
    before = len(there.lab.asked("tags")["files"])
    there.lab.haechi("doctor", "--tool", "curl")
    assert len(there.lab.asked("tags")["files"]) == before


def test_a_tool_that_goes_around_is_told(there: Bench, tmp_path: Path) -> None:
    real = found("curl")
    with outside(there) as port:
        unset = "unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY"
        path = wrapper(tmp_path / "bin", f'{unset}; exec {real} -k --connect-to "::127.0.0.1:{port}" "$@"')
        done = there.lab.haechi("doctor", "--tool", "curl", PATH=path)
    assert done.status == 1, done.said
    assert "GOT THROUGH" in done.out
    assert "haechi install" in done.out
    kept = there.lab.asked("status")["self_test"]
    assert (kept["proven"], kept["tools"]["curl"]) == (False, "through")
    assert "GOT THROUGH: curl" in there.lab.haechi("status").out


def test_a_tool_that_fails_by_itself_is_not_called_proven(there: Bench, tmp_path: Path) -> None:
    path = wrapper(tmp_path / "bin", "echo 'curl: (35) something of its own' >&2; exit 35")
    done = there.lab.haechi("doctor", "--tool", "curl", PATH=path)
    assert done.status == 1
    assert "not proven" in done.out.lower()
    assert "(35) something of its own" in done.out
    told = there.lab.haechi("doctor", "--tool", "curl", PATH=path, HAECHI_LANG="ko")
    assert "증명하지 못함" in told.out
    assert "haechi doctor --tool" in told.out


def test_the_json_answer_says_the_same(there: Bench) -> None:
    answer = there.lab.asked("doctor", "--tool", "curl")
    assert answer["proven"] is True
    assert [(row["tool"], row["outcome"]) for row in answer["tools"]] == [("curl", "refused")]
    assert answer["tools"][0]["decision"].startswith("hd-")


def test_without_an_agent_there_is_no_answer(there: Bench, tmp_path: Path) -> None:
    empty = tmp_path / "haechi.toml"
    empty.write_text(f'[paths]\nlayout = "user"\nstate = "{tmp_path}"\nruntime = "{tmp_path}"\nconfig = "{tmp_path}"\n')
    assert there.lab.haechi("doctor", HAECHI_CONFIG=str(empty)).status == 3
