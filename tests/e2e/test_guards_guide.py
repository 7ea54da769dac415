"""The guide of guards, word for word, after the first steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_first_steps import followed, home, machine, store
from tests.stores.landscape import Landscape
from tests.stores.moto import MotoStore

__all__ = ["home", "store"]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (".md", ["Haechi refused this upload", "R13", "before it is sent (layer 1)", "haechi agent start"]),
        (".ko.md", ["해치가 업로드를 차단했습니다", "R13", "기관의 키로 암호화해 올립니다", "haechi agent start"]),
    ],
)
def test_the_guide_leads_to_a_guarded_and_a_sealed_upload(
    ending: str, said: list[str], store: tuple[MotoStore, Landscape], home: Path
) -> None:
    running, land = store
    environment = machine(home, running)
    environment |= {"BUCKET": land.own_key, "KEY_ARN": land.seoul_key}
    environment["HAECHI_LANG"] = "ko" if ending == ".ko.md" else "en"
    for key in ("guarded.bin.age", "sealed-for-me.bin"):
        running.client().delete_object(Bucket=land.own_key, Key=key)
    printed = followed(environment, [f"first-steps{ending}", f"guards{ending}"], seconds=250)
    for words in said:
        assert words in printed
    assert running.digest(land.own_key, "guarded.bin") is None
    assert running.digest(land.own_key, "unjudged.age") is None
    assert running.same(land.own_key, "guarded.bin.age", home / "work" / "recipe.bin.age")
    assert (home / "work" / "fetched.age").read_bytes().startswith(b"age-encryption.org/v1")
