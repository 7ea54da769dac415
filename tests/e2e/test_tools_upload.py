"""Programs under ``haechi run``: tagged content is refused in words that they show, other content arrives."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.tools_lab import Bench, bench, found
from tests.lab import Finished

pytestmark = pytest.mark.e2e
HERE = Path(__file__).parent
Upload = Callable[[Bench, Path, str], Finished]


@pytest.fixture(scope="module")
def there() -> Iterator[Bench]:
    with bench() as made:
        yield made


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("java")
    done = subprocess.run(
        [found("javac"), "-d", str(folder), str(HERE / "UploadBy.java")], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def node(how: str) -> Upload:
    return lambda at, file, key: at.lab.through(found("node"), HERE / "upload_by.mjs", how, file, at.presigned(key))


TOOLS: dict[str, Upload] = {"node-fetch": node("fetch"), "node-https": node("https")}
"""What programs are written with; the tools themselves are tests/e2e/matrix."""


def holds(at: Bench, upload: Upload, name: str) -> None:
    refused = upload(at, at.tagged, f"{name}-tagged")
    assert refused.status != 0, refused.said
    assert at.store.digest(at.bucket, f"{name}-tagged") is None
    decision = next(one for one in at.lab.decisions() if (one["destination"] or {}).get("key") == f"{name}-tagged")
    assert decision["decision"]["effect"] == "block"
    assert decision["content"]["state"] == "matched"
    assert decision["id"] in refused.said, refused.said
    assert "haechi seal" in refused.said
    went = upload(at, at.plain, f"{name}-plain")
    assert went.status == 0, went.said
    assert at.store.same(at.bucket, f"{name}-plain", at.plain)


@pytest.mark.parametrize("name", TOOLS)
def test_a_tagged_upload_is_refused_readably_and_another_arrives(there: Bench, name: str) -> None:
    holds(there, TOOLS[name], name)


@pytest.mark.parametrize("how", ["client", "connection"])
def test_java_is_judged_by_either_of_its_clients(there: Bench, compiled: Path, how: str) -> None:
    java = found("java")
    holds(
        there,
        lambda at, file, key: at.lab.through(java, "-cp", compiled, "UploadBy", how, file, at.presigned(key)),
        f"java-{how}",
    )


def test_what_a_tool_starts_is_judged_too(there: Bench) -> None:
    """A build script, a Makefile: the variables reach whatever runs below."""
    script = f"{found('curl')} -sS --fail-with-body -T {there.tagged} '{there.presigned('below')}'"
    done = there.lab.through("/bin/sh", "-c", f"true && (cd / && {script})")
    assert "haechi explain" in done.out
    assert there.store.digest(there.bucket, "below") is None


def test_node_reaches_this_machine_directly(there: Bench) -> None:
    """Loopback is no upload to anywhere: a developer's own server must answer as before."""
    program = """
    const server = require('http').createServer((q, a) => a.end('mine')).listen(0, '127.0.0.1', async () => {
      const url = `http://127.0.0.1:${server.address().port}/`;
      const by = await new Promise((done) => require('http').get(url, (a) => a.on('data', (d) => done(String(d)))));
      console.log(by, await (await fetch(url)).text());
      process.exit(0);
    });
    """
    done = there.lab.through(found("node"), "-e", program, HTTP_PROXY="http://127.0.0.1:9")
    assert done.out == "mine mine\n", done.said


def test_a_person_s_own_roots_stay_trusted(there: Bench, tmp_path: Path) -> None:
    own = tmp_path / "company.pem"
    own.write_bytes(there.store.ca.read_bytes() + b"# of the company\n")
    show = "import os,pathlib; print(pathlib.Path(os.environ['AWS_CA_BUNDLE']).read_text())"
    done = there.lab.through(sys.executable, "-c", show, AWS_CA_BUNDLE=str(own))
    assert "# of the company" in done.out
    assert done.out.count("BEGIN CERTIFICATE") > 10
    assert "AWS_CA_BUNDLE" not in done.err
    gone = there.lab.through("true", AWS_CA_BUNDLE="/nowhere.pem", HTTPS_PROXY="http://me:secret@proxy.invalid:1")
    assert "AWS_CA_BUNDLE" in gone.err
    assert "HTTPS_PROXY" in gone.err
    assert "secret" not in gone.said


@pytest.mark.parametrize("code", [0, 3, 77])
def test_exit_code_and_standard_input_pass_through(there: Bench, code: int) -> None:
    line = [sys.executable, "-m", "haechi.cli", "run", "--", "sh", "-c", f"cat; exit {code}"]
    done = subprocess.run(
        line, env=there.lab.environment(), input=b"words", capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (code, b"words")


def test_a_signal_reaches_the_command(there: Bench) -> None:
    script = "trap 'echo caught; exit 9' TERM; echo up; sleep 30 & wait"
    line = [sys.executable, "-m", "haechi.cli", "run", "--", "sh", "-c", script]
    with subprocess.Popen(line, env=there.lab.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        run.send_signal(signal.SIGTERM)
        assert run.stdout.readline() == b"caught\n"
        assert run.wait(10) == 9


def test_a_pipe_that_closes_ends_the_command(there: Bench) -> None:
    """Python ignores SIGPIPE; a program that inherits that would go on for ever."""
    line = [sys.executable, "-m", "haechi.cli", "run", "--", "yes"]
    began = time.monotonic()
    with subprocess.Popen(line, env=there.lab.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.stdout.close()
        assert run.wait(20) == -signal.SIGPIPE
    assert time.monotonic() - began < 20


def test_git_goes_through_the_data_path(there: Bench) -> None:
    """Whether its host is judged is the scope's matter; that git comes our way is this test's."""
    # No such name anywhere: were git to go around the proxy, it would be git that could not resolve it.
    done = there.lab.through(found("git"), "ls-remote", "https://code.haechi.invalid/x.git", GIT_TERMINAL_PROMPT="0")
    assert done.status != 0
    assert "unable to access" in done.err
    assert "Could not resolve host" not in done.err, done.err
