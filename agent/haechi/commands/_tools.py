"""The tools that people upload with, and how each is made to upload one file. Data, and small functions beside it.

Credentials are dummies: an upload that is judged never reaches a provider. Configuration of the person is shut out, so
that a proof says something about the tool and not about its owner's profile.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REGION = "ap-northeast-2"
HOST = f"s3.{REGION}.amazonaws.com"
AWS = {
    "AWS_ACCESS_KEY_ID": "HAECHIDOCTOR00000000",
    "AWS_SECRET_ACCESS_KEY": "haechi-doctor-synthetic-not-a-secret",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_PAGER": "",
}
AWS_UNSET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
AZURE_ACCOUNT = "haechidoctor"
AZURE_KEY = "aGFlY2hpLWRvY3Rvci1zeW50aGV0aWMtbm90LWEtc2VjcmV0"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a tool is to upload. ``folder`` is a scratch folder that is thrown away."""

    file: Path
    bucket: str
    key: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Command:
    """How to run it."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. ``skipped`` is the code of the words that say why it has no proof of its own."""

    name: str
    installed: Callable[[], bool]
    attempt: Callable[[Attempt], Command]
    skipped: str = ""


def _on_path(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _aws(about: Attempt) -> Command:
    put = ["s3api", "put-object", "--bucket", about.bucket, "--key", about.key, "--body", str(about.file)]
    return Command(["aws", *put], AWS, AWS_UNSET)


BOTO3 = """
import sys, boto3
with open(sys.argv[1], 'rb') as file:
    boto3.client('s3').put_object(Bucket=sys.argv[2], Key=sys.argv[3], Body=file)
"""


def _boto3(about: Attempt) -> Command:
    return Command([sys.executable, "-c", BOTO3, str(about.file), about.bucket, about.key], AWS, AWS_UNSET)


def _curl(about: Attempt) -> Command:
    url = f"https://{about.bucket}.{HOST}/{about.key}"
    return Command(
        ["curl", "-q", "--silent", "--show-error", "--fail-with-body", "--upload-file", str(about.file), url]
    )


def _rclone(about: Attempt) -> Command:
    remote = f":s3,provider=AWS,env_auth=true,region={REGION}:{about.bucket}/{about.key}"
    quiet = ["--config", "/dev/null", "--retries", "1", "--low-level-retries", "1", "--no-check-dest"]
    bare = ["--s3-no-check-bucket", "--s3-no-head"]  # nothing may be asked of the provider before the upload
    return Command(["rclone", "copyto", *quiet, *bare, str(about.file), remote], AWS, AWS_UNSET)


def _s3cmd(about: Attempt) -> Command:
    options = [
        "--access_key",
        AWS["AWS_ACCESS_KEY_ID"],
        "--secret_key",
        AWS["AWS_SECRET_ACCESS_KEY"],
        "--max-retries=1",
    ]
    place = ["--host", HOST, "--host-bucket", f"%(bucket)s.{HOST}", "--region", REGION, "--no-progress"]
    target = f"s3://{about.bucket}/{about.key}"
    return Command(
        ["s3cmd", *options, *place, "put", str(about.file), target], {"S3CMD_CONFIG": "/dev/null"}, AWS_UNSET
    )


NODE = """
const [file, url] = process.argv.slice(1);
fetch(url, {method: 'PUT', body: require('fs').readFileSync(file)})
  .then(async (answer) => { console.error(answer.status, await answer.text()); process.exit(answer.ok ? 0 : 1); })
  .catch((error) => { console.error(String(error.cause || error)); process.exit(2); });
"""

JAVA = """
import java.net.*;
import java.nio.file.*;
public class Upload {
    public static void main(String[] a) throws Exception {
        var c = (HttpURLConnection) new URL(a[1]).openConnection();
        c.setRequestMethod("PUT");
        c.setDoOutput(true);
        try (var out = c.getOutputStream()) { out.write(Files.readAllBytes(Path.of(a[0]))); }
        System.err.println(c.getResponseCode());
        System.exit(c.getResponseCode() < 300 ? 0 : 1);
    }
}
"""


def _node(about: Attempt) -> Command:
    return Command(["node", "-e", NODE, str(about.file), f"https://{about.bucket}.{HOST}/{about.key}"])


def _java(about: Attempt) -> Command:
    source = about.folder / "Upload.java"
    source.write_text(JAVA, encoding="ascii")
    return Command(["java", str(source), str(about.file), f"https://{about.bucket}.{HOST}/{about.key}"])


def _nothing(about: Attempt) -> Command:
    return Command([])


TOOLS: tuple[Tool, ...] = (
    Tool("aws", _on_path("aws"), _aws),
    Tool("boto3", lambda: importlib.util.find_spec("boto3") is not None, _boto3),
    Tool("curl", _on_path("curl"), _curl),
    Tool("rclone", _on_path("rclone"), _rclone),
    Tool("s3cmd", _on_path("s3cmd"), _s3cmd),
    Tool("gsutil", _on_path("gsutil"), _nothing, skipped="doctor.asks-first"),
    Tool("gcloud", _on_path("gcloud"), _nothing, skipped="doctor.asks-first"),
    Tool("az", _on_path("az"), _nothing, skipped="doctor.not-judged-yet"),
    Tool("azcopy", _on_path("azcopy"), _nothing, skipped="doctor.not-judged-yet"),
    Tool("node", _on_path("node"), _node),
    Tool("java", _on_path("java"), _java),
    Tool("git", _on_path("git"), _nothing, skipped="doctor.asks-first"),
)
"""In the order of the table."""
