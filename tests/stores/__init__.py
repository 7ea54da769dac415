"""Real S3 stores on loopback, for tests, demo and bench: moto (settings, accounts) and versitygw (strict signatures).

``with MotoStore() as store: store.client().create_bucket(…)``; ``async with`` works too.
"""

from tests.stores.certificates import AWS_NAMES, StoreAuthority
from tests.stores.landscape import Landscape, build_landscape, started_store
from tests.stores.moto import AFFILIATE, AGENT, OURS, STRANGER, MotoStore
from tests.stores.sdk import sdk_client
from tests.stores.store import Account, TestStore, digest_of
from tests.stores.versity import VersityStore, find_versitygw

__all__ = [
    "AFFILIATE",
    "AGENT",
    "AWS_NAMES",
    "OURS",
    "STRANGER",
    "Account",
    "Landscape",
    "MotoStore",
    "StoreAuthority",
    "TestStore",
    "VersityStore",
    "build_landscape",
    "digest_of",
    "find_versitygw",
    "sdk_client",
    "started_store",
]
