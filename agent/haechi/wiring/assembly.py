"""What judges and how uploads reach it: made when audit, index, registry and policies stand, in the order of who asks
whom; first the judge, then the ways in, and last what keeps all of it to what is signed.
"""

from __future__ import annotations

from haechi.inbound.envoy.datapath import DataPath
from haechi.outbound.notify.desktop import DesktopNotices
from haechi.outbound.reads import ReadWatch
from haechi.wiring.control import start_control
from haechi.wiring.drift import start_drift
from haechi.wiring.following import Following
from haechi.wiring.ground import Ground
from haechi.wiring.judge import make_judge
from haechi.wiring.marking import make_marking
from haechi.wiring.permits import make_permits
from haechi.wiring.rules import Rules
from haechi.wiring.status import make_status
from haechi.wiring.stores import Stores
from haechi.wiring.way_in import WayIn, start_way_in


async def assemble(ground: Ground, stores: Stores, rules: Rules, notices: DesktopNotices, reads: ReadWatch) -> DataPath:
    """Make and start these parts; the ground's stack takes them down. Raises ``HaechiError``."""
    marking = make_marking(ground, rules, stores)
    started: list[WayIn] = []
    permits = make_permits(ground, rules, stores, notices)
    judging = make_judge(
        ground, rules, stores, notices, permits, reads, lambda: [("127.0.0.1", started[0].data_path.proxy_port)]
    )
    way_in = await start_way_in(ground, rules, judging)
    started.append(way_in)
    following = Following(ground, rules, stores, marking, judging, way_in)
    status = make_status(ground, rules, stores, marking, way_in, permits, reads, following.failed)
    drift = start_drift(ground, rules, stores, judging, notices)
    control = await start_control(ground, rules, stores, marking, judging, way_in, permits, status, drift)
    marking.start_watching()
    marking.start_learning()
    ground.background(following.run(), "following")
    # Whoever ends is asked nothing any more, and is no agent that "runs already", however long the rest takes.
    ground.stack.push_async_callback(control.stop)
    return way_in.data_path
