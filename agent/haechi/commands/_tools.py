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


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a tool is to upload. ``folder`` is a scratch folder that is thrown away.

    ``elsewhere`` is the host of tools whose store is not S3: the agent answers there what they ask first.
    """

    file: Path
    bucket: str
    key: str
    folder: Path
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """How to run it."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool."""

    name: str
    installed: Callable[[], bool]
    attempt: Callable[[Attempt], Command]


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


# The JSON interface of Cloud Storage, without credentials.
GOOGLE_UNSET = ("CLOUDSDK_ACTIVE_CONFIG_NAME", "CLOUDSDK_CORE_ACCOUNT", "GOOGLE_APPLICATION_CREDENTIALS", "BOTO_PATH")


def _gsutil(about: Attempt) -> Command:
    told = {
        "Credentials:gs_json_host": about.elsewhere,
        "Credentials:gs_json_port": "443",
        "Boto:num_retries": "0",
        "GSUtil:state_dir": str(about.folder / "gsutil"),
        "GSUtil:check_hashes": "never",
        "GSUtil:use_gcloud_storage": "False",
        "GSUtil:parallel_process_count": "1",
    }
    options = [word for name, value in told.items() for word in ("-o", f"{name}={value}")]
    environment = {
        "BOTO_CONFIG": "/dev/null",
        "CLOUDSDK_CONFIG": str(about.folder / "cloudsdk"),
        "CLOUDSDK_CORE_PASS_CREDENTIALS_TO_GSUTIL": "false",
    }
    put = ["cp", str(about.file), f"gs://{about.bucket}/{about.key}"]
    return Command(["gsutil", *options, *put], environment, GOOGLE_UNSET)


def _gcloud(about: Attempt) -> Command:
    environment = {
        "CLOUDSDK_CONFIG": str(about.folder / "cloudsdk"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"https://{about.elsewhere}/storage/v1/",
        "CLOUDSDK_STORAGE_MAX_RETRIES": "1",
    }
    put = ["cp", str(about.file), f"gs://{about.bucket}/{about.key}"]
    return Command(["gcloud", "storage", *put], environment, GOOGLE_UNSET)


# Blob storage at an endpoint of our own, with a key that nobody has.
AZURE_ACCOUNT = "haechidoctor"
AZURE_KEY = "aGFlY2hpLWRvY3Rvci1zeW50aGV0aWMtbm90LWEtc2VjcmV0"
AZURE_UNSET = ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_AUTH_MODE")


def _az(about: Attempt) -> Command:
    account = {
        "DefaultEndpointsProtocol": "https",
        "AccountName": AZURE_ACCOUNT,
        "AccountKey": AZURE_KEY,
        "BlobEndpoint": f"https://{about.elsewhere}",
    }
    connection = ";".join(f"{name}={value}" for name, value in account.items())
    environment = {
        "AZURE_CONFIG_DIR": str(about.folder / "azure"),
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
        "AZURE_STORAGE_CONNECTION_STRING": connection,
    }
    place = ["--container-name", about.bucket, "--name", about.key, "--file", str(about.file)]
    return Command(
        ["az", "storage", "blob", "upload", "--overwrite", "--no-progress", "--only-show-errors", *place],
        environment,
        AZURE_UNSET,
    )


def _azcopy(about: Attempt) -> Command:
    signature = "sv=2024-11-04&ss=b&srt=sco&sp=rwc&se=2099-01-01T00%3A00%3A00Z&sig=aGFlY2hpLWRvY3Rvcg%3D%3D"
    url = f"https://{about.elsewhere}/{about.bucket}/{about.key}?{signature}"
    environment = {
        "AZCOPY_LOG_LOCATION": str(about.folder / "azcopy"),
        "AZCOPY_JOB_PLAN_LOCATION": str(about.folder / "azcopy"),
        "AZCOPY_CONCURRENCY_VALUE": "1",
    }
    quiet = ["--skip-version-check", "--log-level=NONE", "--overwrite=true", "--from-to=LocalBlob"]
    return Command(["azcopy", "copy", *quiet, str(about.file), url], environment, ("AZCOPY_AUTO_LOGIN_TYPE",))


GIT = """
git init -q "$3"
cp "$1" "$3/$2"
git -C "$3" add "$2"
git -C "$3" commit -q --no-gpg-sign -m 'haechi doctor'
exec git -C "$3" push "$4" HEAD:refs/heads/haechi-doctor
"""


def _git(about: Attempt) -> Command:
    who = {f"GIT_{role}_{what}": f"haechi-doctor{at}" for role in ("AUTHOR", "COMMITTER") for what, at in NAMED}
    environment = {
        **who,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
    }
    words = [str(about.file), about.key, str(about.folder / "repository"), f"https://{about.elsewhere}/{about.key}.git"]
    return Command(["sh", "-ec", GIT, "git", *words], environment, ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"))


NAMED = (("NAME", ""), ("EMAIL", "@localhost"))

TOOLS: tuple[Tool, ...] = (
    Tool("aws", _on_path("aws"), _aws),
    Tool("boto3", lambda: importlib.util.find_spec("boto3") is not None, _boto3),
    Tool("curl", _on_path("curl"), _curl),
    Tool("rclone", _on_path("rclone"), _rclone),
    Tool("s3cmd", _on_path("s3cmd"), _s3cmd),
    Tool("gsutil", _on_path("gsutil"), _gsutil),
    Tool("gcloud", _on_path("gcloud"), _gcloud),
    Tool("az", _on_path("az"), _az),
    Tool("azcopy", _on_path("azcopy"), _azcopy),
    Tool("node", _on_path("node"), _node),
    Tool("java", _on_path("java"), _java),
    Tool("git", _on_path("git"), _git),
)
"""In the order of the table."""
