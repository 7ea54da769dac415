"""The page on destination facts says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from haechi.outbound.destinations import cache
from haechi_connectors.s3.posture_stores import SETTINGS

from tests.stores import sdk_client
from tests.stores.landscape import READ_SETTINGS

DOCS = Path(__file__).resolve().parents[3] / "docs"
POLICY = DOCS / "destination-facts-policy.json"


def test_both_pages_show_the_policy_that_is_shipped() -> None:
    for name in ("destination-facts.md", "destination-facts.ko.md"):
        shown = re.search(r"```json\n(.*?)```", (DOCS / name).read_text(encoding="utf-8"), re.S)
        assert shown is not None
        assert json.loads(shown[1]) == json.loads(POLICY.read_text(encoding="utf-8"))


def test_the_policy_allows_reading_alone_and_what_the_emulator_asks_for() -> None:
    statements = json.loads(POLICY.read_text(encoding="utf-8"))["Statement"]
    allowed = {
        action
        for statement in statements
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert set(READ_SETTINGS) <= allowed
    assert all(action.split(":")[1].startswith(("Get", "List", "Describe")) for action in allowed)
    assert not any("Object" in action and "ObjectLock" not in action for action in allowed)


def test_every_question_is_a_real_method_of_the_sdk() -> None:
    client = sdk_client("s3", region_name="ap-northeast-2", aws_access_key_id="x", aws_secret_access_key="y")
    assert all(hasattr(client, method) for method in SETTINGS.values())


def test_the_pages_name_the_default_ages() -> None:
    for name in ("destination-facts.md", "destination-facts.ko.md"):
        text = (DOCS / name).read_text(encoding="utf-8")
        assert f"{cache.TTL_SECONDS:.0f}" in text
        assert f"{cache.UNKNOWN_TTL_SECONDS:.0f}" in text
