"""Which questions there are, where a container is asked about, and what is remembered between reads.

It asks nothing itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from haechi.domain.facts import Known, Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Location
from haechi.ports.clock import Clock

from haechi_connectors.s3.posture_answers import Answer

AWS = "aws"
FIRST_REGION = "us-east-1"
"""Where a bucket of unknown region is asked about first: AWS answers any HEAD there with the right region."""
REMEMBERED_REGIONS = 4096
REMEMBERED_CALLER_SECONDS = 3600.0

SETTINGS: Mapping[str, str] = {
    "location": "get_bucket_location",
    "encryption": "get_bucket_encryption",
    "block": "get_public_access_block",
    "acl": "get_bucket_acl",
    "policy": "get_bucket_policy_status",
    "replication": "get_bucket_replication",
    "versioning": "get_bucket_versioning",
    "lock": "get_object_lock_configuration",
    "logging": "get_bucket_logging",
    "acceleration": "get_bucket_accelerate_configuration",
}
"""Our name of a question to the SDK's method."""

ASKED: Mapping[str, str] = {
    "exists": "HeadBucket",
    "region": "GetBucketLocation, HeadBucket",
    "country": "data: countries.yaml",
    "encryption": "GetBucketEncryption",
    "key": "DescribeKey",
    "public.flags": "GetPublicAccessBlock of bucket and account",
    "public.acl": "GetBucketAcl",
    "public.policy": "GetBucketPolicyStatus",
    "replicas": "GetBucketReplication",
    "versioning": "GetBucketVersioning",
    "object_lock": "GetObjectLockConfiguration",
    "logging": "GetBucketLogging",
    "acceleration": "GetBucketAccelerateConfiguration",
}


@dataclass(frozen=True, slots=True)
class Store:
    """Where one container is asked about. ``endpoint`` is empty for the provider's own regional one."""

    provider: str
    region: str
    endpoint: str = ""
    site: Site | None = None

    @property
    def own_level(self) -> bool:
        """Whether the provider has accounts with settings of their own, keys and identities: AWS itself."""
        return self.provider == AWS and not (self.site and self.site.endpoint)


class Memory:
    """Regions of buckets, who we are at a provider, and which stores heed the expected owner. Bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._regions: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._honoured: dict[tuple[str, str, str], bool] = {}
        self._caller: dict[str, tuple[float, str]] = {}

    def region(self, place: Location) -> str:
        """The region last learned of a bucket; empty: none."""
        return self._regions.get((place.provider, place.container), "")

    def learn_region(self, place: Location, where: Known[str]) -> None:
        """A read ended with this region."""
        key = (place.provider, place.container)
        if isinstance(where, Unknown):
            self._regions.pop(key, None)
            return
        self._regions[key] = where
        self._regions.move_to_end(key)
        while len(self._regions) > REMEMBERED_REGIONS:
            self._regions.popitem(last=False)

    def honoured(self, store: Store) -> Known[bool]:
        """Whether the store refuses a HEAD that expects the wrong owner."""
        return self._honoured.get(_at(store), Unknown("not-read"))

    def learn_honoured(self, store: Store, head: Answer, control: Answer) -> None:
        """A plain HEAD and one that expects an impossible owner were asked: together they tell."""
        if head.ok and (control.ok or control.cause == "access-denied"):
            self._honoured[_at(store)] = not control.ok

    def caller(self, store: Store) -> str | None:
        """The account of the agent's own credentials."""
        remembered = self._caller.get(store.provider)
        if remembered is None or self._clock.monotonic() - remembered[0] > REMEMBERED_CALLER_SECONDS:
            return None
        return remembered[1]

    def learn_caller(self, store: Store, identity: Answer) -> None:
        """The identity service answered, or did not."""
        account = identity.data.get("Account") if identity.ok else None
        if account:
            self._caller[store.provider] = (self._clock.monotonic(), str(account))


def _at(store: Store) -> tuple[str, str, str]:
    return (store.provider, store.region, store.endpoint)
