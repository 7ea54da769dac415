"""Buckets are listed to the end, and what could not be listed is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.ports.buckets import Bucket
from haechi_connectors.s3.buckets import PAGE, S3Buckets
from haechi_connectors.s3.posture_clients import Clients

OURS, OTHER = "111122223333", "444455556666"


class Pages(Clients):
    """A store that answers ListBuckets page by page; a page may be an error."""

    def __init__(self, *pages: Any, account: str | None = OURS) -> None:
        self.pages, self.account, self.asked = list(pages), account, []

    def of(self, service: str, provider: str, region: str, endpoint: str = "") -> Any:
        outer = self

        class Client:
            def get_caller_identity(self) -> dict[str, Any]:
                if outer.account is None:
                    raise denied()
                return {"Account": outer.account}

            def list_buckets(self, **arguments: Any) -> Any:
                outer.asked.append((endpoint, arguments))
                number = min(int(arguments.get("ContinuationToken", "0")), len(outer.pages) - 1)
                page = outer.pages[number]
                if isinstance(page, Exception):
                    raise page
                return page

        return Client()


def denied() -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "ListBuckets")


def page(*names: str, token: str = "", owner: str = "tenant") -> dict[str, Any]:
    found = {"Buckets": [{"Name": name, "BucketRegion": "ap-northeast-2"} for name in names], "Owner": {"ID": owner}}
    return {**found, "ContinuationToken": token} if token else found


def lists(
    clients: Clients, *accounts: str, sites: tuple[Site, ...] = (), of_profile: Mapping[str, Clients] | None = None
) -> S3Buckets:
    of_profile = of_profile or {}
    of: Callable[[str], tuple[str, ...]] = lambda provider: accounts if provider == "aws" else ("tenant",)  # noqa: E731
    return S3Buckets(lambda profile: of_profile.get(profile, clients), of, sites=lambda: sites)


async def test_every_page_is_read() -> None:
    store = Pages(page("a", "b", token="1"), page("c", token="2"), page("d"))
    (ours,) = await lists(store, OURS).listed()
    assert [bucket.name for bucket in ours.buckets] == ["a", "b", "c", "d"] and ours.cause == ""
    assert ours.buckets[0] == Bucket("a", "ap-northeast-2", "s3://a") and ours.account == OURS
    assert [asked["MaxBuckets"] for _, asked in store.asked] == [PAGE] * 3


async def test_what_was_listed_before_a_failure_is_kept_with_its_cause() -> None:
    (ours,) = await lists(Pages(page("a", token="1"), denied()), OURS).listed()
    assert [bucket.name for bucket in ours.buckets] == ["a"] and ours.cause == "access-denied"


async def test_a_store_that_turns_in_circles_is_left() -> None:
    (ours,) = await lists(Pages(page("a", token="0")), OURS).listed()
    assert [bucket.name for bucket in ours.buckets] == ["a"] and ours.cause == "incomplete-list"


async def test_an_account_that_the_credentials_do_not_list_is_said_to_be_unlisted() -> None:
    ours, other = await lists(Pages(page("a")), OURS, OTHER).listed()
    assert ours.account == OURS
    assert (other.account, other.buckets, other.cause) == (OTHER, (), "other-account")


async def test_who_asks_may_be_unknown() -> None:
    found = await lists(Pages(page("a"), account=None), OURS).listed()
    assert [(one.account, len(one.buckets)) for one in found] == [(Unknown("access-denied"), 1), (OURS, 0)]


async def test_sites_are_listed_at_their_endpoint_once() -> None:
    own = Site("*.objects.example", "example", "s3", "kr-1", "KR")
    same = Site("objects.example", "example", "s3", "kr-1", "KR")
    store = Pages(page("box"))
    (site,) = await lists(store, sites=(own, same)).listed()
    assert (site.provider, site.account, site.endpoint) == ("example", "tenant", "https://objects.example")
    assert [endpoint for endpoint, _ in store.asked] == ["https://objects.example"]


async def test_each_profile_lists_its_own_account_and_none_is_listed_twice() -> None:
    store = lists(
        Pages(denied()), OURS, OTHER,
        of_profile={
            "other": Pages(page("theirs"), account=OTHER),
            "again": Pages(page("theirs"), account=OTHER),
            "ours": Pages(page("a")),
            "lost": Pages(denied(), account=None),
        },
    )  # fmt: skip
    found = await store.listed(("other", "again", "ours", "lost", "other"))
    assert [(one.account, one.access, len(one.buckets), one.cause) for one in found] == [
        (OURS, "ours", 1, ""),  # the usual credentials could not list it
        (OTHER, "other", 1, ""),
        (Unknown("access-denied"), "lost", 0, "access-denied"),
    ]
