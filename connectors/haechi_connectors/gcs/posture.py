"""Reads the facts about a bucket with google-cloud-storage, in at most two rounds of parallel questions. Never raises.

First round: the bucket, its IAM policy, its access lists. Second round: the key that the bucket names. The owner is the
bucket's project number, which Google states. Questions that miss the deadline are ``Unknown('timeout')``; they end by
their own time-outs. The client's credentials are never used.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from haechi.domain.destination import Destination, EncryptionFacts, KeyFacts
from haechi.domain.facts import Known, Unknown
from haechi.domain.upload import Location
from haechi.ports.clock import Clock
from haechi.ports.cloud import NAMELESS

from haechi_connectors.gcs import posture_reading as reading
from haechi_connectors.gcs.details import APPEND
from haechi_connectors.gcs.posture_answers import NOT_ASKED, Answer, ask
from haechi_connectors.gcs.posture_way import Clients
from haechi_connectors.questions import together

THREADS: Final = 16
ASKED: Final = {
    "exists": "buckets.get",
    "region": "buckets.get location, locationType",
    "country": "regions.yaml",
    "account": "buckets.get projectNumber",
    "encryption": "buckets.get encryption, cryptoKeys.get",
    "public": "buckets.get iamConfiguration, buckets.getIamPolicy, bucketAccessControls.list, "
    "defaultObjectAccessControls.list",
    "replicas": "buckets.get locationType, customPlacementConfig",
    "versioning": "buckets.get versioning",
    "object_lock": "buckets.get retentionPolicy, objectRetention",
    "logging": "buckets.get logging",
}


class GcsPosture:
    """Facts about buckets of Google Cloud Storage. ``deadline`` bounds one read, in seconds."""

    def __init__(
        self, clients: Clients, clock: Clock, *, used: Callable[[], bool] = lambda: True, deadline: float = 8.0
    ) -> None:
        """``used``: whether the institution has anything there, so that the SDK is worth loading before a question."""
        self._clients, self._clock, self._deadline, self._used = clients, clock, deadline, used
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="haechi-gcs-facts")

    def close(self) -> None:
        """Take no more questions."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def warm(self) -> None:
        """Load the SDK and the credentials. Blocks; never raises."""
        with contextlib.suppress(Exception):  # the first question will name the cause
            if self._used():
                self._clients.store()

    async def read(self, place: Location) -> Destination:
        """Everything that can be learned about the place's bucket now."""
        if not place.container:
            return Destination.unread(place.provider, "", Unknown("no-container"))
        ends = self._clock.monotonic() + self._deadline
        first = await self._together(self._questions(place.container), ends)
        bucket = first["bucket"]
        if not bucket.ok:
            return self._unread(place, bucket)
        told = bucket.data
        mode, key = "provider", None
        if told["key"]:
            mode, key = "kms", await self._described(told["key"], ends)
        where, kind = reading.region(told["location"], told["kind"]), told["kind"]
        account: Known[str] = str(told["project"]) if told["project"] else reading.INVALID
        return Destination(
            provider=place.provider,
            container=place.container,
            exists=True,
            region=where,
            country=reading.country(where, kind),
            account=account,
            encryption=EncryptionFacts(mode, key),
            public=reading.public_access(
                told["prevention"], told["uniform"], (first["entries"], first["defaults"]), first["policy"]
            ),
            replicas=reading.replicas(place.container, kind, told["placed"], account),
            versioning="enabled" if told["versioning"] else "off",
            mfa_delete=False,  # there is no such setting
            object_lock=bool(told["retention"]),
            logging=told["logging"] or "off",
            acceleration=False,  # there is no such setting
            ways=reading.WAYS,
            read_at=self._clock.now(),
            asked=ASKED,
        )

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        """The facts of a key that a request itself names (``kmsKeyName``)."""
        return await self._described(key_id, self._clock.monotonic() + self._deadline)

    async def there(self, place: Location) -> Known[bool]:
        """See ``haechi.ports.cloud.Finds``: of all names that begin with a key, the key itself is listed first."""
        if not place.container:
            return Unknown("no-container")
        if place.key.startswith(APPEND):
            return Unknown(NAMELESS)  # a session's id, which stands for an object that its pieces did not name

        def listed() -> bool:
            store, limit = self._clients.store(), {"timeout": self._clients.timeout, "retry": None}
            found = store.list_blobs(place.container, prefix=place.key, max_results=1, **limit)
            return any(blob.name == place.key for blob in found)

        answers = await self._together({"listed": listed}, self._clock.monotonic() + self._deadline)
        return bool(answers["listed"].data) if answers["listed"].ok else answers["listed"].unknown

    def _unread(self, place: Location, bucket: Answer) -> Destination:
        gone = bucket.cause == "no-such-container"
        unread = Destination.unread(place.provider, place.container, bucket.unknown)
        return dataclasses.replace(
            unread, exists=False if gone else bucket.unknown, read_at=self._clock.now(), asked=ASKED
        )

    async def _described(self, name: str, ends: float) -> KeyFacts:
        described = NOT_ASKED
        if reading.KEY_NAME.fullmatch(name):
            plain = name.partition("/cryptoKeyVersions/")[0]
            described = (await self._together({"key": lambda: self._clients.key(plain)}, ends))["key"]
            if described.cause == "no-such-container":
                described = Answer(cause="no-such-key")
        return reading.key_facts(name, described)

    def _questions(self, name: str) -> Mapping[str, Callable[[], Any]]:
        limit = {"timeout": self._clients.timeout, "retry": None}

        def bucket() -> Mapping[str, Any]:
            found = self._clients.store().get_bucket(name, **limit)
            access = found.iam_configuration
            return {
                "location": found.location,
                "kind": found.location_type,
                "placed": tuple(found.data_locations or ()),
                "project": found.project_number,
                "key": found.default_kms_key_name or "",
                "prevention": access.public_access_prevention,
                "uniform": access.uniform_bucket_level_access_enabled,
                "versioning": bool(found.versioning_enabled),
                "retention": bool(found.retention_period) or found.object_retention_mode == "Enabled",
                "logging": str((found.get_logging() or {}).get("logBucket") or ""),
            }

        def policy() -> list[Any]:
            found = self._clients.store().bucket(name).get_iam_policy(requested_policy_version=3, **limit)
            return [dict(binding) for binding in found.bindings]

        def listed(which: str) -> list[Any]:
            entries = getattr(self._clients.store().bucket(name), which)
            entries.reload(**limit)
            return [dict(entry) for entry in entries]

        return {
            "bucket": bucket,
            "policy": policy,
            "entries": lambda: listed("acl"),
            "defaults": lambda: listed("default_object_acl"),
        }

    async def _together(self, questions: Mapping[str, Callable[[], Any]], ends: float) -> dict[str, Answer]:
        late = Answer(cause="timeout")
        return await together(self._threads, ask, questions, ends - self._clock.monotonic(), late)
