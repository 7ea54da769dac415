"""Host names: which are Azure's blob and Data Lake services, and what they say."""

from __future__ import annotations

import pytest
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.scope import valid_pattern
from haechi_connectors.azure.connector import AzureConnector
from haechi_connectors.azure.hosts import Hosts
from haechi_connectors.azure.regions import countries, country_of
from hypothesis import given, settings
from hypothesis import strategies as st

EMULATOR = Site("127.0.0.1:10000", "azure", "azure", "koreacentral", "KR")
STACK = Site("*.blob.local.stack.example", "azure-stack", "azure", "local", "KR")


@pytest.mark.parametrize(
    ("host", "service", "account", "store"),
    [
        ("fab1.blob.core.windows.net", "blob", "fab1", ""),
        ("FAB1.Blob.Core.Windows.NET.:443", "blob", "fab1", ""),
        ("fab1.dfs.core.windows.net", "dfs", "fab1", ""),
        ("fab1-secondary.blob.core.windows.net", "blob", "fab1", ""),
        ("fab1-secondary.dfs.core.windows.net", "dfs", "fab1", ""),
        ("fab1-dualstack.blob.core.windows.net", "blob", "fab1", ""),
        ("fab1-secondary-ipv6.blob.core.windows.net", "blob", "fab1", ""),
        ("fab1-microsoftrouting.dfs.core.windows.net", "dfs", "fab1", ""),
        ("fab1-internetrouting.blob.core.windows.net", "blob", "fab1", ""),
        ("fab1.z12.blob.storage.azure.net", "blob", "fab1", ""),
        ("fab1-secondary.z50.dfs.storage.azure.net", "dfs", "fab1", ""),
        ("fab1.z12.web.core.windows.net", "web", "fab1", ""),
        ("fab1.privatelink.blob.core.windows.net", "blob", "fab1", ""),
        ("md-hdd-0a1b2c.z7.blob.storage.azure.net", "blob", "md-hdd-0a1b2c", ""),
        ("fab1.blob.core.usgovcloudapi.net", "blob", "fab1", "usgov"),
        ("fab1.blob.core.chinacloudapi.cn", "blob", "fab1", "china"),
        ("fab1.dfs.core.sovcloud-api.fr", "dfs", "fab1", "bleu"),
        ("fab1.somewhere.blob.core.windows.net", "unknown", "", ""),
        ("blob.core.windows.net", "unknown", "", ""),
        ("127.0.0.1:10000", "blob", "", "127.0.0.1:10000"),
        ("fab1.blob.local.stack.example", "blob", "fab1", "blob.local.stack.example"),
    ],
)
def test_a_host_form_says_what_it_is(host, service, account, store):
    found = Hosts((EMULATOR, STACK)).find(host)
    assert (found.service, found.account, found.store) == (service, account, store)
    assert found.secondary == ("secondary" in host)


@pytest.mark.parametrize(
    "host",
    [
        "fab1.file.core.windows.net", "fab1.queue.core.windows.net", "fab1.table.core.windows.net", "core.windows.net",
        "management.azure.com", "fab1.blob.core.windows.net.evil.example", "fab1.blob.core.windows.net/", "", ":",
        "10.0.0.1", "[::1]:443", "%66.blob.core.windows.net", "s3.amazonaws.com", "a b.blob.core.windows.net",
    ],
)  # fmt: skip
def test_other_hosts_are_not_claimed(host):
    assert not AzureConnector((EMULATOR,)).claims(host)


def test_a_site_of_another_service_is_another_connectors():
    assert not AzureConnector((Site("store.example", "naver", "s3", "kr", "KR"),)).claims("store.example")


def test_the_endpoint_of_an_account_stands_where_the_account_lies():
    host = Hosts().find("fab1.blob.core.windows.net")
    assert host.route.stands("KR") == "KR"
    assert host.route.stands(Unknown("timeout")) == Unknown("timeout")
    private = Hosts().find("fab1.privatelink.blob.core.windows.net")
    assert private.route.private_endpoint
    assert private.route.stands("KR") == Unknown("not-in-host")
    assert Hosts((EMULATOR,)).find("127.0.0.1:10000").route.stands("US") == "KR"


def test_every_pattern_of_the_scope_can_be_intercepted():
    scope = AzureConnector((STACK,)).scope
    assert {"*.core.windows.net", "*.storage.azure.net", "*.blob.local.stack.example"} <= set(scope)
    assert all(valid_pattern(pattern) for pattern in scope)


def test_regions_lie_in_countries():
    assert country_of("koreacentral") == country_of("Korea South") == "KR"
    assert country_of("norwayeast") == "NO"
    assert country_of("japaneast") == "JP"
    assert country_of("atlantis") == Unknown("region-not-listed")
    assert country_of(Unknown("timeout")) == Unknown("timeout")
    assert all(len(country) == 2 and country.isupper() for country in countries().values())


@settings(max_examples=200)
@given(st.one_of(st.text(max_size=80), st.text(max_size=30).map(lambda t: t + ".blob.core.windows.net")))
def test_any_host_is_either_claimed_or_not(host):
    assert AzureConnector((EMULATOR, STACK)).claims(host) in (True, False)
