"""Which guard knows a client: a new cloud's is a module in its folder, and no SDK is loaded for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import boto3
import haechi_connectors
import pytest
from haechi_connectors import guard
from haechi_connectors.guarding import guards

TOY = dedent('''
    """A guard of one SDK."""

    import sys

    class Guard:
        def knows(self, client):
            return "toy_sdk" in sys.modules and isinstance(client, sys.modules["toy_sdk"].Client)

        def put_on(self, client, agent, *, comply):
            client.agent, client.comply = agent, comply

    GUARD = Guard()
''')


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    folder = tmp_path / "connectors" / "toyguard"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "guard.py").write_text(TOY)
    (tmp_path / "toy_sdk.py").write_text("class Client:\n    pass\n")
    monkeypatch.setattr(haechi_connectors, "__path__", [*haechi_connectors.__path__, str(folder.parent)])
    monkeypatch.syspath_prepend(str(tmp_path))
    guards.cache_clear()
    yield __import__("toy_sdk").Client()
    guards.cache_clear()
    sys.modules.pop("toy_sdk", None)
    sys.modules.pop("haechi_connectors.toyguard.guard", None)
    sys.modules.pop("haechi_connectors.toyguard", None)


def test_a_folder_with_a_guard_is_all_it_takes(toy: object) -> None:
    assert guard(toy, comply=True, agent="/nowhere") is toy
    assert vars(toy)["comply"] is True
    other = boto3.client("s3", region_name="ap-northeast-2")
    assert guard(other, agent="/nowhere") is other


def test_clients_share_the_agents_connections() -> None:
    from haechi_connectors.agent import agent_at

    assert agent_at(Path("/a")) is agent_at(Path("/a"))
    assert agent_at(Path("/a")) is not agent_at(Path("/b"))


def test_without_an_agent_nothing_that_carries_goes(tmp_path: Path) -> None:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    s3 = guard(boto3.client("s3", region_name="ap-northeast-2", **keys), agent=tmp_path / "none")
    with pytest.raises(s3.exceptions.ClientError) as caught:
        s3.put_object(Bucket="bucket", Key="key", Body=b"body")
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDenied"
    assert "haechi agent start" in error["Message"]
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0
