"""Control documents: what they say, and that none of them breaks anything."""

from __future__ import annotations

import base64

import pytest
from haechi.domain.disclosure import Said, Where
from haechi.domain.facts import Unknown
from haechi.domain.upload import ExposureChange, Request
from haechi_connectors.azure.connector import AzureConnector
from hypothesis import given, settings
from hypothesis import strategies as st

AZURE = AzureConnector()


def named(number: int) -> str:
    return base64.b64encode(f"block-{number:05}".encode()).decode()


def action_of(target: str):
    return AZURE.action(Request("PUT", "https", "fab1.blob.core.windows.net", target, (("content-length", "9"),)))


def listed(body: str):
    return AZURE.with_document(action_of("/c1x/k?comp=blocklist"), body.encode()).assembly


def test_a_list_names_its_blocks_in_order_whatever_their_state():
    rows = f"<Latest>{named(2)}</Latest><Committed> {named(1)}\n</Committed><Uncommitted>{named(2)}</Uncommitted>"
    assembly = listed(f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>')
    assert assembly.names == (named(2), named(1), named(2))
    assert assembly.older == {named(1)}


@pytest.mark.parametrize("other", ["Uncommitted", "Latest"])
def test_one_name_for_two_versions_leaves_them_unknown(other):
    """The store joins the committed bytes in the one place and the newer ones in the other."""
    rows = f"<Committed>{named(1)}</Committed><{other}>{named(1)}</{other}>"
    assert listed(f"<BlockList>{rows}</BlockList>").names is None


def test_an_empty_list_joins_nothing():
    assert listed("<BlockList/>").names == ()


@pytest.mark.parametrize(
    "body",
    [
        "", "nothing", "<BlockList>", "<Blocks/>", "<BlockList><Newest>YQ==</Newest></BlockList>",
        "<BlockList><Latest>not base64!</Latest></BlockList>", "<BlockList><Latest/></BlockList>",
        '<!DOCTYPE b [<!ENTITY e "YQ==">]><BlockList><Latest>&e;</Latest></BlockList>',
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_read_leaves_its_blocks_unknown(body):
    assert listed(body).names is None


def test_tags_are_said_in_the_clear():
    body = b"<Tags><TagSet><Tag><Key>tech</Key><Value>SEM-01</Value></Tag></TagSet></Tags>"
    action = AZURE.with_document(action_of("/c1x/k?comp=tags"), body)
    assert {Said(Where.TAG, "tech"), Said(Where.TAG, "SEM-01")} <= set(action.said)
    assert action.exposures == (ExposureChange("tags", "", False),)
    broken = AZURE.with_document(action_of("/c1x/k?comp=tags"), b"<Tags")
    assert broken.exposures[0].public == Unknown("document-unreadable")


def test_stored_policies_stand_for_links_in_unknown_hands():
    target = "/c1x?restype=container&comp=acl"
    body = b"<SignedIdentifiers><SignedIdentifier><Id>team</Id></SignedIdentifier></SignedIdentifiers>"
    change = ExposureChange("policy", "stored-access", Unknown("signed-links"), ("team",))
    assert change in AZURE.with_document(action_of(target), body).exposures
    empty = AZURE.with_document(action_of(target), b"<SignedIdentifiers/>")
    assert [one.aspect for one in empty.exposures] == ["acl"]
    broken = AZURE.with_document(action_of(target), b"<SignedId")
    assert ExposureChange("policy", "stored-access", Unknown("document-unreadable")) in broken.exposures


@pytest.mark.parametrize(
    ("inner", "change"),
    [
        ("<StaticWebsite><Enabled>true</Enabled></StaticWebsite>", ExposureChange("website", "on", True)),
        ("<StaticWebsite><Enabled>false</Enabled></StaticWebsite>", ExposureChange("other", "website-off", False)),
        ("<Logging><Read>true</Read><Write>true</Write><Delete>true</Delete></Logging>",
         ExposureChange("logging", "on", False)),
        ("<Logging><Read>false</Read><Write>true</Write><Delete>true</Delete></Logging>",
         ExposureChange("logging", "off", False)),
        ("<Cors><CorsRule><AllowedOrigins>*</AllowedOrigins></CorsRule></Cors>",
         ExposureChange("cors", "", False, ("*",))),
        ("<HourMetrics/>", ExposureChange("other", "metrics", False)),
        ("<Replication/>", ExposureChange("other", "service-properties", Unknown("document-unreadable"))),
    ],
)  # fmt: skip
def test_service_properties_change_what_they_hold(inner, change):
    body = f"<StorageServiceProperties>{inner}</StorageServiceProperties>".encode()
    action = AZURE.with_document(action_of("/?restype=service&comp=properties"), body)
    assert action.exposures == (change,)


TARGETS = [
    "/c1x/k?comp=blocklist", "/c1x/k?comp=tags", "/c1x?restype=container&comp=acl", "/?restype=service&comp=properties",
]  # fmt: skip


@settings(max_examples=200)
@given(
    st.sampled_from(TARGETS), st.one_of(st.binary(max_size=200), st.text(alphabet="<>/BlockistLaeTg &;", max_size=60))
)
def test_any_document_is_taken(target, body):
    AZURE.with_document(action_of(target), body if isinstance(body, bytes) else body.encode())
