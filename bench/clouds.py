"""What the agent adds to an upload of 4 KiB in each cloud's own form, beside what it adds to one to S3, in one run.

Each form goes straight to the sink and through the agent, request by request by turns: what disturbs one disturbs all.
Each is what the provider's own SDK sends for a small object: boto3's ``put_object`` over TLS frames the body as
``aws-chunked`` with a checksum behind it (its ``Expect`` is left out), google-cloud-storage's ``upload_from_string``
sends related parts, and azure-storage-blob's ``upload_blob`` a Put Blob. Beside them stand the two that send the bare
object: a PUT to S3, which is what ``put_4kib_added`` measures, and Google's simple upload. The institution owns all
three places, and what is asked about them is answered in the published shapes: every verdict rests on known facts.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import ends
from tests.lab import Laboratory
from tests.stores.certificates import AWS_NAMES, StoreAuthority
from tests.stores.management import KEY as AZURE_KEY
from tests.stores.management import OURS as AZURE_OURS
from tests.stores.management import Management
from tests.stores.moto import OURS, MotoStore
from tests.unit.gcs.published import KEY as GCS_KEY
from tests.unit.gcs.published import PROJECT, Google, described

SIZE, WARM = 4096, 50
GCS_HOST: Final = "storage.asia-northeast3.rep.googleapis.com"
AZURE_HOST: Final = "fab1.blob.core.windows.net"
NAMES: Final = (*AWS_NAMES, ends.HOST, GCS_HOST, AZURE_HOST)
BOUNDARY: Final = "===============7330845974216740156=="
S3, S3_BARE, GCS, GCS_BARE, AZURE = "s3", "s3_bare", "gcs", "gcs_bare", "azure"
BESIDE: Final = {GCS_BARE: S3_BARE}
"""What a form is held against: the bare ones against each other, the others against S3's."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one cloud is given an object; ``before`` and ``after`` stand around its bytes. ``%d``: a number."""

    method: str
    url: str
    headers: Mapping[str, str]
    before: str = ""
    after: str = ""
    chunked: bool = False


_GOOGLE = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "authorization": "Bearer ya29.a-token-of-the-benchmark",
    "user-agent": "gcloud-python/3.4.0",
    "x-goog-api-client": "gl-python/3.11.2 gccl/3.4.0 gccl-invocation-id/5f2d7a0e-0f56-4d2c-8f0a-1f1c2b3a4d5e",
}
_AMAZON = {
    "authorization": f"AWS4-HMAC-SHA256 Credential={OURS.access_key}/20261127/ap-northeast-2/s3/aws4_request,"
    f" SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={'0' * 64}",
    "content-type": "application/octet-stream",
    "user-agent": "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux lang/python#3.11.2",
    "x-amz-date": "20261127T000000Z",
}
FORMS: Final = {
    S3: Form(
        "PUT",
        f"https://{ends.HOST}/bench/sdk-%d",
        {
            **_AMAZON,
            "amz-sdk-invocation-id": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
            "amz-sdk-request": "attempt=1",
            "content-encoding": "aws-chunked",
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": str(SIZE),
            "x-amz-sdk-checksum-algorithm": "CRC32",
            "x-amz-trailer": "x-amz-checksum-crc32",
        },
        f"{SIZE:x}\r\n",
        "\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        chunked=True,
    ),
    S3_BARE: Form(
        "PUT", f"https://{ends.HOST}/bench/object-%d", {**_AMAZON, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    ),
    # What ``Blob.upload_from_string`` sends.
    GCS: Form(
        "POST",
        f"https://{GCS_HOST}/upload/storage/v1/b/ours/o?uploadType=multipart",
        {**_GOOGLE, "content-type": f'multipart/related; boundary="{BOUNDARY}"'},
        f"--{BOUNDARY}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n"
        '{"name": "bench/object-%d"}\r\n'
        f"--{BOUNDARY}\r\ncontent-type: application/octet-stream\r\n\r\n",
        f"\r\n--{BOUNDARY}--",
    ),
    GCS_BARE: Form(
        "POST",
        f"https://{GCS_HOST}/upload/storage/v1/b/ours/o?uploadType=media&name=bench%2Fobject-%d",
        {**_GOOGLE, "content-type": "application/octet-stream"},
    ),
    # What ``BlobClient.upload_blob`` sends: Put Blob.
    AZURE: Form(
        "PUT",
        f"https://{AZURE_HOST}/ours/bench/object-%d",
        {
            "accept": "application/xml",
            "authorization": "SharedKey fab1:c2lnbmF0dXJlIG9mIHRoZSBiZW5jaG1hcms9PT09PT0=",
            "content-type": "application/octet-stream",
            "if-none-match": "*",
            "user-agent": "azsdk-python-storage-blob/12.26.0 Python/3.11.2 (Linux)",
            "x-ms-blob-type": "BlockBlob",
            "x-ms-client-request-id": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
            "x-ms-date": "Fri, 27 Nov 2026 00:00:00 GMT",
            "x-ms-version": "2025-07-05",
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Added:
    """Of one form: ms that the agent adds to the median upload, a value a round, and to what it is held
    against in the same rounds.
    """

    values: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)

    @property
    def spread(self) -> float:
        """Between the highest and the lowest ratio of a round."""
        ratios = [one / other for one, other in zip(self.values, self.beside, strict=True)]
        return max(ratios) - min(ratios)

    @property
    def medians(self) -> tuple[float, float]:
        """Over the rounds: of this form, of the other."""
        return median(self.values), median(self.beside)


def measure(rounds: int, count: int) -> dict[str, Added]:
    """``count`` requests of each form and way, a round, by the form's name. Raises where any was not answered well."""
    with agent() as (lab, port, ca):
        told = lab.status()["parts"]["data_path"]
        ways = {"direct": (0, ca), "agent": (told["proxy_port"], Path(told["bundle"]))}
        found = {name: Added() for name in FORMS}
        for _ in range(rounds):
            p50 = sent(port, ways, lab.folder, count)
            added = {name: p50[name, "agent"] - p50[name, "direct"] for name in FORMS}
            for name, value in added.items():
                found[name].values.append(value)
                found[name].beside.append(added[BESIDE.get(name, S3)])
    return found


@contextmanager
def agent() -> Iterator[tuple[Laboratory, int, Path]]:
    """An agent with protected content before one sink that stands for all clouds; the sink's port, and its root."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haechi-bench-")))
        authority = StoreAuthority(folder / "authority")
        leaf = authority.issue(NAMES, stem="sink")
        port = stack.enter_context(ends.sink(leaf.cert, leaf.key))
        store = stack.enter_context(MotoStore(authority=authority))
        bucket = ends.HOST.partition(".")[0]
        store.client().create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": store.region})
        google = stack.enter_context(Google())
        described(google)
        management = stack.enter_context(Management(folder, authority))
        here = f"127.0.0.1:{port}"
        hosts = {"*.amazonaws.com": here, "*.googleapis.com": here, "*.core.windows.net": here}
        endpoints = dict.fromkeys(("s3", "s3control", "kms", "sts"), store.endpoint)
        endpoints |= dict.fromkeys(("storage", "cloudkms"), google.url)
        credentials, _, named = management.settings.partition("[destinations.endpoints]\n")
        credentials += f'"gcs.credentials_file" = "{google.credentials(folder)}"\n\n'
        named += "".join(f'{service} = "{url}"\n' for service, url in endpoints.items())
        more = f"{credentials}[destinations.endpoints]\n{named}"
        with Laboratory(store=store, hosts=hosts, more=more) as lab:
            others = {"gcp": ([PROJECT, "nct"], [GCS_KEY]), "azure": ([AZURE_OURS], [AZURE_KEY])}
            lab.institution.publish(accounts=[OURS.id], others=others)
            lab.configure()
            (lab.work / "protected.bin").write_bytes(bytes(range(256)) * 4096)
            lab.start()
            done = lab.haechi("tag", lab.work / "protected.bin", "--technology", "SEM-01", "--grade", "A")
            if done.status:
                raise RuntimeError(done.said)
            yield lab, port, authority.ca


def sent(port: int, ways: Mapping[str, tuple[int, Path]], folder: Path, count: int) -> dict[tuple[str, str], float]:
    """The median in ms of each form on each way."""
    kinds: list[dict[str, Any]] = []
    roots = folder / "bench-roots.pem"
    roots.write_bytes(b"".join(bundle.read_bytes() for _, bundle in ways.values()))
    for form in FORMS.values():
        for proxy, _ in ways.values():
            to = {"proxy": f"http://127.0.0.1:{proxy}"} if proxy else {"connect": f"127.0.0.1:{port}"}
            kinds.append({"method": form.method, "url": form.url, "headers": dict(form.headers), "before": form.before,
                          "after": form.after, "chunked": form.chunked, **to})  # fmt: skip
    file = folder / "bench-forms.json"
    file.write_text(json.dumps(kinds), encoding="utf-8")
    command = [str(ends.TOOL), "forms", "-file", str(file), "-ca", str(roots), "-size", str(SIZE)]
    command += ["-n", str(count), "-warm", str(WARM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"the client failed: {done.stderr[-2000:]}")
    results = [ends.Put(**said) for said in json.loads(done.stdout)]
    if any(result.errors for result in results):
        raise RuntimeError(f"uploads failed: {done.stderr[:2000]}")
    named = [(form, way) for form in FORMS for way in ways]
    return {name: result.p50_ms for name, result in zip(named, results, strict=True)}
