"""The uploads of the demo: what is tried, with which client, and what must come of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Finished, Laboratory
from tests.stores.landscape import Landscape

BOTO = Path(__file__).with_name("boto.py")
ALLOWED, REFUSED, WOULD_REFUSE = "allow", "block", "would_block"


@dataclass(frozen=True, slots=True)
class Files:
    """The engineer's files. ``recipe`` is tagged SEM-01, grade A."""

    recipe: Path
    sealed: Path
    large: Path
    large_sealed: Path
    small: Path
    small_sealed: Path
    renamed: Path
    excerpt: Path
    archive: Path
    notes: Path
    notes_large: Path


@dataclass(frozen=True, slots=True)
class Scenario:
    """One attempt. ``object`` is bucket and key to look at in the store, ``local`` what must lie there if allowed;
    ``closed`` is a bucket that nobody else may read afterwards; ``rule`` must be among the findings' ids ("" where
    there are none).
    """

    ko: str
    en: str
    client: str
    act: Callable[[Laboratory], Finished]
    expected: str
    rule: str
    object: tuple[str, str] | None = None
    local: Path | None = None
    closed: str = ""


def cli(file: Path, bucket: str, key: str, *more: str) -> Callable[[Laboratory], Finished]:
    """``aws s3 cp`` through the data path."""
    return lambda lab: lab.through("aws", "s3", "cp", file, f"s3://{bucket}/{key}", "--no-progress", *more)


def boto(*arguments: str | Path) -> Callable[[Laboratory], Finished]:
    """The boto3 script through the data path."""
    return lambda lab: lab.through(sys.executable, BOTO, *arguments)


def curl(file: Path, bucket: str, key: str) -> Callable[[Laboratory], Finished]:
    """A plain HTTP upload to a place that nobody signed for. At this size it is judged before the name is looked up, so
    that nothing here depends on a network.
    """
    url = f"http://{bucket}.s3.ap-northeast-2.amazonaws.com/{key}"
    return lambda lab: lab.through("curl", "-sS", "--fail-with-body", "-T", file, url)


def enforced(files: Files, land: Landscape) -> Sequence[Scenario]:
    """The uploads under the shipped policy."""
    own, f = land.own_key, files

    def upload(
        ko: str,
        en: str,
        file: Path,
        bucket: str,
        expected: str,
        rule: str = "",
        *,
        how: str = "AWS CLI",
        work: str = "put",
    ) -> Scenario:
        key = f"{len(made):02d}-{file.name}"
        act = cli(file, bucket, key) if how == "AWS CLI" else boto(work, file, bucket, key)
        return Scenario(ko, en, how, act, expected, rule, (bucket, key), file)

    made: list[Scenario] = []
    made.extend(
        upload(*arguments)
        for arguments in (
            ("봉인한 파일 → 자사 서울 버킷", "sealed → own Seoul bucket", f.sealed, own, ALLOWED, ""),
            ("평문 그대로 → 자사 서울 버킷", "in the clear → own Seoul bucket", f.recipe, own, REFUSED, "r13_layer1"),
            ("봉인한 파일 → 도쿄", "sealed → Tokyo", f.sealed, land.tokyo, REFUSED, "r10_region"),
            ("평문 → 도쿄", "in the clear → Tokyo", f.recipe, land.tokyo, REFUSED, "r24_approval"),
            (
                "봉인 → 공급자 기본 암호화 버킷",
                "sealed → default-encrypted bucket",
                f.sealed,
                land.default_encrypted,
                REFUSED,
                "r15_key_custody",
            ),
            (
                "봉인 → 남의 버킷(설정은 완벽)",
                "sealed → someone else's perfect bucket",
                f.sealed,
                land.foreign,
                REFUSED,
                "owner_not_ours",
            ),
            ("봉인 → 공개 버킷", "sealed → public bucket", f.sealed, land.public, REFUSED, "r30_public_access"),
            (
                "봉인 → 도쿄로 복제되는 버킷",
                "sealed → replicating to Tokyo",
                f.sealed,
                land.replicating,
                REFUSED,
                "r11_replicas",
            ),
            (
                "봉인 → 설정을 읽을 수 없는 버킷",
                "sealed → bucket with unreadable facts",
                f.sealed,
                land.unreadable,
                REFUSED,
                "unknown_facts",
            ),
            (
                "봉인 → 남의 키로 암호화하는 버킷",
                "sealed → encrypted with a stranger's key",
                f.sealed,
                land.foreign_key,
                REFUSED,
                "owner_not_ours",
            ),
            ("12 MiB 평문, 멀티파트", "12 MiB in the clear, multipart", f.large, own, REFUSED, "r13_layer1"),
            ("12 MiB 봉인, 멀티파트", "12 MiB sealed, multipart", f.large_sealed, own, ALLOWED, ""),
            ("이름을 바꾸고 속성을 지운 파일", "renamed, attribute stripped", f.renamed, own, REFUSED, "r13_layer1"),
            ("원본의 10 % 발췌", "a 10 % excerpt", f.excerpt, own, REFUSED, "r13_layer1"),
            ("ZIP 안에 넣은 파일", "inside a ZIP archive", f.archive, own, REFUSED, "r13_layer1"),
            ("태그 없는 파일 → 서울", "untagged → Seoul", f.notes, own, ALLOWED, ""),
            ("태그 없는 파일 → 도쿄", "untagged → Tokyo", f.notes, land.tokyo, ALLOWED, ""),
        )
    )
    for ko, en, file, bucket, expected, rule, work in (
        ("aws-chunked 스트림, 평문", "aws-chunked stream, in the clear", f.recipe, own, REFUSED, "r13_layer1", "put"),
        ("aws-chunked 스트림, 태그 없음", "aws-chunked stream, untagged", f.notes_large, own, ALLOWED, "", "put"),
        ("파트별 멀티파트, 평문", "multipart part by part, in the clear", f.large, own, REFUSED, "r13_layer1", "parts"),
        ("파트별 멀티파트, 봉인", "multipart part by part, sealed", f.large_sealed, own, ALLOWED, "", "parts"),
        ("사전 서명 URL, 평문", "presigned URL, in the clear", f.recipe, own, REFUSED, "r13_layer1", "presigned"),
        (
            "공급자 키를 요구하는 업로드",
            "asks for the provider's key",
            f.sealed,
            own,
            REFUSED,
            "r15_key_custody",
            "weaker",
        ),
    ):
        made.append(upload(ko, en, file, bucket, expected, rule, how="boto3", work=work))
    made.append(
        Scenario(
            "서버 측 복사: 봉인 객체 → 도쿄",
            "server-side copy of a sealed object → Tokyo",
            "boto3",
            boto("copy", f"{own}/00-{f.sealed.name}", land.tokyo, "copied"),
            REFUSED,
            "r10_region",
            (land.tokyo, "copied"),
        )
    )
    made.append(
        Scenario(
            "봉인 객체가 있는 버킷을 공개",
            "opens a bucket that holds sealed objects",
            "boto3",
            boto("expose", own),
            REFUSED,
            "r30_exposure",
            closed=own,
        )
    )
    made.append(
        Scenario(
            "TLS 없이 HTTP로",
            "plain HTTP, no TLS",
            "curl",
            curl(f.small_sealed, own, "http"),
            REFUSED,
            "r30_transport",
            (own, "http"),
        )
    )
    return made


def monitored(files: Files, land: Landscape) -> Sequence[Scenario]:
    """What monitor mode does with the same: it lets pass, and says what it would have done."""
    key = "monitored-" + files.recipe.name
    return [
        Scenario(
            "감시 모드: 평문",
            "monitor mode: in the clear",
            "AWS CLI",
            cli(files.recipe, land.own_key, key),
            WOULD_REFUSE,
            "r13_layer1",
            (land.own_key, key),
            files.recipe,
        )
    ]
