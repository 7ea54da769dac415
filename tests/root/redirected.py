"""The real data path behind the rules, as the service user: a judge that does what the target says.

``secret`` is refused by its head; ``pieces`` and ``whole`` are read first, and what is also ``forbidden`` is refused
then, a second after its first piece came.

Run as ``python -m tests.root.redirected FOLDER EXTRA_ROOT``; says ``ready``, then a JSON line for each judged request.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time
from pathlib import Path

import structlog
from haechi.domain.upload import Request
from haechi.inbound.envoy.authority import Authority
from haechi.inbound.envoy.datapath import DataPath
from haechi.inbound.envoy.settings import DataPathSettings
from haechi.ports.judge import Connection, Forward, Refuse
from haechi.ports.system import FORWARDED_V4, FORWARDED_V6

from tests.e2e.datapath_lab import PIECES, REFUSAL, SCOPE, WHOLE, ScriptedJudge, ScriptedJudging

HEADS = {"secret": Refuse(REFUSAL), "pieces": PIECES, "whole": WHOLE}
LATE_S = 1.0


class Judge(ScriptedJudge):
    def open(self, connection: Connection, request: Request) -> ScriptedJudging:
        self.on_head = next((head for word, head in HEADS.items() if word in request.target), Forward())
        self.on_piece = late
        print(json.dumps({"host": request.host, **dataclasses.asdict(connection)}), flush=True)
        return super().open(connection, request)


def late(judging: ScriptedJudging, _: bytes, __: bool) -> Forward | Refuse:
    if judging.pieces == 1:
        time.sleep(LATE_S)
    return Refuse(REFUSAL) if "forbidden" in judging.request.target else Forward()


async def main(folder: Path, extra_root: Path) -> None:
    settings = DataPathSettings(
        SCOPE,
        redirect_tls_port=15001,
        redirect_plain_port=15002,
        redirect_addresses=(FORWARDED_V4, FORWARDED_V6),
        extra_roots=(extra_root,),
        linger_s=3.0,
    )
    authority = Authority.create(folder / "authority", SCOPE)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    path = DataPath(
        settings, Judge(), authority, folder / "run", structlog.get_logger("lab"), public_dir=folder / "public"
    )
    await path.start()
    print("ready", flush=True)
    try:
        await asyncio.sleep(100)
    finally:
        await path.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
