"""Reads the facts about a bucket through boto3, in at most two rounds of parallel questions. Never raises.

First round: everything the bucket itself can tell, and what proves its owner. Second round: what only the first named
(the key, the targets of replication, the account's public access block). A host name that tells no region costs one
HEAD before, once per bucket. Questions that miss the deadline are ``Unknown('timeout')``; they end by their own
time-outs. The client's credentials are never used.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from haechi.domain.destination import Destination, KeyFacts, ReplicaTarget
from haechi.domain.facts import Known, Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Location
from haechi.ports.clock import Clock

from haechi_connectors.questions import together
from haechi_connectors.s3 import posture_reading as reading
from haechi_connectors.s3.posture_answers import NOT_ASKED, Answer, ask
from haechi_connectors.s3.posture_clients import Clients
from haechi_connectors.s3.posture_countries import country_of
from haechi_connectors.s3.posture_owner import IMPOSSIBLE_OWNER, Evidence, owner
from haechi_connectors.s3.posture_stores import ASKED, AWS, FIRST_REGION, SETTINGS, Memory, Store

HOME_REGION = "ap-northeast-2"
"""Where most uploads go: its clients are made at the start."""
THREADS = 24
MOST_TARGETS = 16


class S3Posture:
    """Facts about buckets of AWS and of S3-compatible sites.

    ``accounts`` gives the institution's accounts at a provider, and ``sites`` the hosts that it named, as the registry
    now says. ``deadline`` bounds one read, in seconds.
    """

    def __init__(
        self,
        clients: Clients,
        accounts: Callable[[str], Sequence[str]],
        clock: Clock,
        *,
        sites: Callable[[], Sequence[Site]] = lambda: (),
        deadline: float = 8.0,
    ) -> None:
        self._clients, self._accounts, self._clock = clients, accounts, clock
        self._sites = sites
        self._deadline = deadline
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="haechi-s3-facts")
        self._memory = Memory(clock)

    def close(self) -> None:
        """Take no more questions."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def warm(self, region: str = HOME_REGION) -> None:
        """Load the SDK's models and credentials for a region, which costs a second once. Blocks; never raises."""
        for service in ("s3", "kms", "sts", "s3control"):
            with contextlib.suppress(Exception):  # the first question will name the cause
                self._clients.of(service, AWS, region)

    async def read(self, place: Location) -> Destination:
        """Everything that can be learned about the place's bucket now."""
        ends = self._clock.monotonic() + self._deadline
        if place.alias or not place.container:
            # An access point's settings are not its bucket's, and which bucket that is, the request does not say.
            return _nothing(place, Unknown("access-point" if place.alias else "no-container"), self._clock)
        store = await self._store(place, ends)
        first = await self._first(store, place.container, ends)
        where = store.site.region if store.site else reading.region(first["location"], first["head"])
        self._memory.learn_region(place, where)
        evidence = self._evidence(store, place.container, first)
        account, method = owner(evidence)
        mode, key_id = reading.encryption_mode(first["encryption"])
        targets = reading.replication(first["replication"])
        block, key, replicas = await asyncio.gather(
            self._account_block(store, account, ends),
            self._key(store, mode, key_id, where, account, ends),
            self._replicas(store, targets, ends),
        )
        state, second_factor = reading.versioning(first["versioning"])
        others = tuple(first[name] for name in SETTINGS)
        return Destination(
            provider=place.provider,
            container=place.container,
            exists=reading.exists(first["head"], others, hidden_means_there=store.own_level),
            region=where,
            country=store.site.country if store.site else country_of(place.provider, where),
            account=account,
            encryption=reading.encryption(mode, key),
            public=reading.public_access(first["block"], block, first["acl"], first["policy"]),
            replicas=replicas,
            versioning=state,
            mfa_delete=second_factor,
            object_lock=reading.object_lock(first["lock"]),
            logging=reading.logging(first["logging"]),
            acceleration=reading.acceleration(first["acceleration"]),
            ways=reading.ways(own_level=store.own_level),
            read_at=self._clock.now(),
            asked=_asked(store, method),
        )

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        """The facts of a key that a request itself names (``x-amz-server-side-encryption-aws-kms-key-id``)."""
        ends = self._clock.monotonic() + self._deadline
        store = await self._store(place, ends)
        return await self._described(store, key_id, store.region, ends)

    async def there(self, place: Location) -> Known[bool]:
        """See ``haechi.ports.cloud.Finds``: of all names that begin with a key, the key itself is listed first."""
        if place.alias or not place.container:
            return Unknown("access-point" if place.alias else "no-container")
        ends = self._clock.monotonic() + self._deadline
        store = await self._store(place, ends)
        question = self._bucket_question(store, "list_objects_v2", place.container, Prefix=place.key, MaxKeys=1)
        answer = (await self._together({"listed": question}, ends))["listed"]
        if not answer.ok:
            return answer.unknown
        return any(found.get("Key") == place.key for found in answer.data.get("Contents", ()))

    # --- rounds ---

    async def _first(self, store: Store, container: str, ends: float) -> dict[str, Answer]:
        questions: dict[str, Callable[[], Mapping[str, Any]]] = {
            name: self._bucket_question(store, method, container) for name, method in SETTINGS.items()
        }
        questions |= self._owner_questions(store, container)
        if store.own_level and self._memory.caller(store) is None:
            questions["identity"] = lambda: self._client("sts", store).get_caller_identity()
        answers = await self._together(questions, ends)
        self._memory.learn_caller(store, answers.get("identity", NOT_ASKED))
        return answers

    def _owner_questions(self, store: Store, container: str) -> dict[str, Callable[[], Mapping[str, Any]]]:
        """HEAD plain, expecting each registered account, and expecting nobody; and the list of our own buckets."""
        questions = {"head": self._bucket_question(store, "head_bucket", container)}
        expected = list(self._accounts(store.provider))
        if isinstance(self._memory.honoured(store), Unknown):
            expected.append(IMPOSSIBLE_OWNER)
        for account in expected:
            name = f"expected:{account}"
            questions[name] = self._bucket_question(store, "head_bucket", container, ExpectedBucketOwner=account)
        questions["listed"] = lambda: self._client("s3", store).list_buckets(Prefix=container)
        return questions

    async def _account_block(self, store: Store, account: Known[str], ends: float) -> Answer:
        if not store.own_level:
            return Answer(absent=True)
        if isinstance(account, Unknown):
            return Answer(cause=account.cause)
        questions = {"block": lambda: self._client("s3control", store).get_public_access_block(AccountId=account)}
        return (await self._together(questions, ends))["block"]

    async def _key(
        self, store: Store, mode: Known[str], key_id: str, where: Known[str], account: Known[str], ends: float
    ) -> KeyFacts | None:
        if isinstance(mode, Unknown) or not mode.startswith("kms"):
            return None
        if not key_id:
            return reading.provider_key(store.provider, where, account)
        return await self._described(store, key_id, where, ends)

    async def _described(self, store: Store, key_id: str, where: Known[str], ends: float) -> KeyFacts:
        region, _, resource = reading.key_parts(key_id)
        if not store.own_level:
            described = Answer(cause="not-supported")
        elif not region and (isinstance(where, Unknown) or resource.startswith("alias/")):
            described = NOT_ASKED
        else:
            there = dataclasses.replace(store, region=region or str(where))
            answers = await self._together({"key": lambda: self._client("kms", there).describe_key(KeyId=key_id)}, ends)
            described = answers["key"]
        return reading.key_facts(store.provider, key_id, where, described)

    async def _replicas(
        self, store: Store, targets: Known[tuple[tuple[str, str], ...]], ends: float
    ) -> Known[tuple[ReplicaTarget, ...]]:
        if isinstance(targets, Unknown):
            return targets
        if len(targets) > MOST_TARGETS:
            return Unknown("too-many-targets")
        return tuple(await asyncio.gather(*(self._replica(store, *target, ends) for target in targets)))

    async def _replica(self, store: Store, container: str, named: str, ends: float) -> ReplicaTarget:
        questions = self._owner_questions(store, container)
        questions["location"] = self._bucket_question(store, "get_bucket_location", container)
        answers = await self._together(questions, ends)
        where = reading.region(answers["location"], answers["head"])
        account, _ = owner(self._evidence(store, container, answers))
        if isinstance(account, Unknown) and named and named not in self._accounts(store.provider):
            # The rule names a stranger itself. A rule that names us proves nothing: whoever wrote it may lie.
            account = named
        return reading.replica(store.provider, container, where, account)

    # --- asking ---

    async def _together(
        self, questions: Mapping[str, Callable[[], Mapping[str, Any]]], ends: float
    ) -> dict[str, Answer]:
        late = Answer(cause="timeout")
        return await together(self._threads, ask, questions, ends - self._clock.monotonic(), late)

    def _bucket_question(
        self, store: Store, method: str, container: str, **more: Any
    ) -> Callable[[], Mapping[str, Any]]:
        return lambda: getattr(self._client("s3", store), method)(Bucket=container, **more)

    def _client(self, service: str, store: Store) -> Any:
        return self._clients.of(service, store.provider, store.region, store.endpoint if service == "s3" else "")

    # --- what is remembered ---

    async def _store(self, place: Location, ends: float) -> Store:
        site = next((site for site in self._sites() if _is_at(site, place)), None)
        if site is not None:
            return Store(place.provider, site.region, site.endpoint or f"https://{place.endpoint}", site)
        if place.provider != AWS:
            region = "" if isinstance(place.region, Unknown) else place.region
            return Store(place.provider, region or FIRST_REGION, f"https://{place.endpoint}")
        region = self._memory.region(place)
        if not region and not isinstance(place.region, Unknown):
            region = place.region
        if region:
            return Store(AWS, region)
        store = Store(AWS, FIRST_REGION)
        head = await self._together({"head": self._bucket_question(store, "head_bucket", place.container)}, ends)
        return Store(AWS, head["head"].headers.get(reading.REGION_HEADER) or FIRST_REGION)

    def _evidence(self, store: Store, container: str, answers: Mapping[str, Answer]) -> Evidence:
        control = answers.get(f"expected:{IMPOSSIBLE_OWNER}", NOT_ASKED)
        head = answers["head"]
        self._memory.learn_honoured(store, head, control)
        listed = answers["listed"]
        caller = self._memory.caller(store)
        if caller is None and not store.own_level:
            caller = str(listed.data.get("Owner", {}).get("ID") or "") or None
        return Evidence(
            container,
            head,
            {account: answers[f"expected:{account}"] for account in self._accounts(store.provider)},
            self._memory.honoured(store),
            listed,
            caller if caller is not None else answers.get("identity", NOT_ASKED).unknown,
            answers.get("acl", NOT_ASKED),
            acl_names_account=not store.own_level,
        )


def _is_at(site: Site, place: Location) -> bool:
    if site.provider != place.provider:
        return False
    bare = site.host.removeprefix("*.")
    return place.endpoint == bare or place.endpoint.endswith(f".{bare}")


def _asked(store: Store, owner_method: str) -> dict[str, str]:
    asked = {**ASKED, "account": owner_method} if owner_method else dict(ASKED)
    return {**asked, "region": "site", "country": "site"} if store.site else asked


def _nothing(place: Location, why: Unknown, clock: Clock) -> Destination:
    """A destination of which nothing can be asked."""
    return Destination(
        place.provider,
        place.container,
        exists=why,
        region=why,
        country=why,
        account=why,
        replicas=why,
        read_at=clock.now(),
    )
