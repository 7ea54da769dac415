"""A new cloud is a new folder: put one in place, and everything that asks for clouds has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import haechi_connectors
import pytest
from haechi.app.checking import request_for
from haechi.domain.errors import HaechiError
from haechi.domain.upload import ActionKind, Location, Request
from haechi.outbound.clock import SystemClock
from haechi.ports.cloud import Institution, Way
from haechi.wiring.judge import Connectors, readers
from haechi_connectors.clouds import clouds

TOY = dedent('''
    """A cloud of one host: what a folder has to offer, and no more."""

    from dataclasses import replace

    from haechi.domain.destination import Destination, KeyFacts
    from haechi.domain.upload import Action, ActionKind, BodyShape, Framing, Location, Request
    from haechi.ports.judge import Reply


    class Connector:
        provider, scope = "toy", ("*.toy.example",)

        def claims(self, host):
            return host.endswith(".toy.example")

        def action(self, request):
            where = Location("toy", request.host.partition(".")[0], request.target.lstrip("/"), "seoul", request.host)
            return Action("toy", "toy", "Put", ActionKind.UPLOAD, where, body=BodyShape(Framing.PLAIN))

        def with_document(self, action, document):
            return action

        def with_form(self, action, fields):
            return action

        def refusal(self, text, request):
            return Reply(403, (), text.message.encode())


    class Ask:
        def __init__(self, way):
            self.way = way

        def facts(self, access=""):
            return self

        def lists(self):
            return None

        async def read(self, place):
            whose = self.way.credentials["who"]
            return Destination("toy", place.container, region="seoul", country="KR", account=whose)

        async def key(self, place, key_id):
            return KeyFacts(key_id)

        def warm(self):
            pass

        def close(self):
            pass


    class Toy:
        name = "toy"

        def connector(self, sites):
            return Connector()

        def providers(self, sites):
            return frozenset({"toy"})

        def ask(self, way, institution, clock):
            return Ask(way)

        def plain_upload(self, url, endpoint, size):
            box, _, key = url.removeprefix("toy://").partition("/")
            return Request("PUT", "https", f"{box}.toy.example", f"/{key}") if url.startswith("toy://") else None

        def container(self, url):
            return url.removeprefix("toy://") if url.startswith("toy://") else None

        def in_region(self, request, region):
            return replace(request, host=request.host)


    CLOUD = Toy()
''')


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder in its place, for as long as a test takes."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "cloud.py").write_text(TOY)
    monkeypatch.setattr(haechi_connectors, "__path__", [*haechi_connectors.__path__, str(tmp_path)])
    clouds.cache_clear()
    yield
    clouds.cache_clear()


def test_those_that_ship_are_found() -> None:
    assert "s3" in [cloud.name for cloud in clouds()]


def test_a_folder_without_a_cloud_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "__init__.py").touch()
    monkeypatch.setattr(haechi_connectors, "__path__", [*haechi_connectors.__path__, str(tmp_path)])
    before = clouds()
    clouds.cache_clear()
    assert clouds() == before


def test_a_new_folder_is_intercepted_recognised_and_refused_in_its_own_way(toy: None) -> None:
    connectors = Connectors(())
    assert "*.toy.example" in connectors.cloud
    request = Request("PUT", "https", "box.toy.example", "/a/b")
    connector = next(one for one in connectors if one.claims(request.host))
    action = connector.action(request)
    assert (action.kind, action.provider) == (ActionKind.UPLOAD, "toy")
    assert action.destination is not None and action.destination.container == "box"


async def test_its_facts_are_read_with_its_own_credentials(toy: None) -> None:
    cloud = next(cloud for cloud in clouds() if cloud.name == "toy")
    ask = cloud.ask(Way(credentials={"who": "ours"}), Institution(lambda provider: ()), SystemClock())
    assert ask is not None
    facts = readers({"toy": ask.facts()}, ())
    assert (await facts["toy"].read(Location("toy", "box"))).account == "ours"


def test_its_urls_can_be_checked(toy: None) -> None:
    cloud, request = request_for(clouds(), "toy://box/a", "", 3)
    assert (cloud.name, request.host, request.target) == ("toy", "box.toy.example", "/a")


def test_a_url_of_no_cloud_says_what_urls_there_are() -> None:
    with pytest.raises(HaechiError, match=r"check\.bad-url"):
        request_for(clouds(), "toy://box/a", "", 3)
