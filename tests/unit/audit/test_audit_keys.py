"""The public keys beside the log: with one of them gone, every checkpoint that it signed would count as forged."""

from __future__ import annotations

from pathlib import Path

import pytest
from haechi.outbound.audit import checkpoints
from haechi.outbound.audit.segments import KEYS
from haechi.outbound.audit.verifying import verify
from haechi.outbound.trust.keys import SigningKey
from structlog.testing import capture_logs

EARLIER, LATER = SigningKey.generate(), SigningKey.generate()


def test_every_key_that_ever_signed_is_kept(tmp_path: Path) -> None:
    for key in (EARLIER, LATER, EARLIER):
        checkpoints.publish_key(tmp_path, key)
    assert set(checkpoints.read_keys(tmp_path / KEYS)) == {EARLIER.id, LATER.id}


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b'{"keys": [', b'{"keys": [{"kty": "OKP"}]}'])
def test_keys_that_cannot_be_read_are_set_aside_and_told(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "000000000001.jsonl").touch()
    for n in (1, 2):
        (tmp_path / KEYS).write_bytes(damage)
        with capture_logs() as said:
            checkpoints.publish_key(tmp_path, LATER)
        kept = tmp_path / f"{KEYS}.unreadable-{n}"
        assert kept.read_bytes() == damage
        assert [(line["event"], line["kept_as"]) for line in said] == [("audit-keys-unreadable", kept.name)]
        assert set(checkpoints.read_keys(tmp_path / KEYS)) == {LATER.id}
    notes = {note.code: dict(note.params) for note in verify(tmp_path).notes}
    assert notes["keys-set-aside"] == {"files": f"{KEYS}.unreadable-1, {KEYS}.unreadable-2"}
