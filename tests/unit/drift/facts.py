"""A compliant bucket, as its facts are read."""

from __future__ import annotations

import datetime as dt

from haechi.domain.destination import Destination, EncryptionFacts, KeyFacts, PublicAccess, ReplicaTarget, WaysIn

NOW = dt.datetime(2026, 11, 2, 3, 0, tzinfo=dt.UTC)
OURS, SEOUL = "111122223333", "ap-northeast-2"
KEY = KeyFacts(
    id="arn:aws:kms:ap-northeast-2:111122223333:key/1",
    account=OURS,
    region=SEOUL,
    country="KR",
    origin="AWS_KMS",
    manager="customer",
    multi_region=False,
    enabled=True,
)
GOOD = Destination(
    provider="aws",
    container="designs",
    exists=True,
    region=SEOUL,
    country="KR",
    account=OURS,
    encryption=EncryptionFacts("kms", KEY),
    public=PublicAccess(True, {"BlockPublicAcls": True}, False, False),
    replicas=(),
    versioning="enabled",
    mfa_delete=False,
    object_lock=True,
    logging="logs",
    acceleration=False,
    ways=WaysIn(False, False, False, False, "1.2"),
    read_at=NOW,
    revision="r1",
)
TOKYO = ReplicaTarget("copies", "ap-northeast-1", "JP", OURS)
BUSAN = ReplicaTarget("second", SEOUL, "KR", OURS)
