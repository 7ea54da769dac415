"""What people upload to S3 with: each puts one file under a key of the institution's bucket, below ``haechi run``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from tests.e2e.matrix.client import Place
from tests.e2e.tools_lab import HOST, found
from tests.lab import Finished
from tests.lab.aside import ROOT, python_with
from tests.stores import sdk_client
from tests.stores.moto import OURS

HERE = Path(__file__).parent
NODE = ROOT / ".tools" / "node"
REGION = "ap-northeast-2"
MIB = 1 << 20


def bucket(at: Place) -> str:
    """The institution's own, with its own key, in Korea."""
    return str(at.more.land.own_key)


def signer() -> Any:
    """Signs for AWS's own names; asks nobody."""
    return sdk_client(
        "s3",
        region_name=REGION,
        endpoint_url=f"https://{HOST}",
        aws_access_key_id=OURS.access_key,
        aws_secret_access_key=OURS.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    )


def presigned(at: Place, key: str) -> str:
    """A URL that lets anybody put the object: what a program without credentials is given."""
    return str(signer().generate_presigned_url("put_object", Params={"Bucket": bucket(at), "Key": key}))


def said_by(*command: str | Path) -> str:
    """The version that a program says of itself."""
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=60, check=True)
    number = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    assert number is not None, done.stdout + done.stderr
    return number[0]


def of_package(folder: str, name: str) -> str:
    """The version of a package of Node's that tools/node-tools.sh installs. Fails where it is not there."""
    about = NODE / folder / "node_modules" / name / "package.json"
    if not about.exists():
        pytest.fail(f"{name} is not installed: tools/node-tools.sh")
    return str(json.loads(about.read_text(encoding="utf-8"))["version"])


# --- the programs ---------------------------------------------------------------------------------------------------


def aws(at: Place, file: Path, key: str) -> Finished:
    return at.lab.through(found("aws"), "s3", "cp", "--no-progress", file, f"s3://{bucket(at)}/{key}")


def aws_version() -> str:
    return said_by(found("aws"), "--version")


PUT_OBJECT = """
import boto3, sys
file, bucket, key = sys.argv[1:]
boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=open(file, "rb"))
"""
UPLOAD_FILE = "import boto3, sys; boto3.client('s3').upload_file(*sys.argv[1:])"


def boto3_put(at: Place, file: Path, key: str) -> Finished:
    return at.lab.through(sys.executable, "-c", PUT_OBJECT, file, bucket(at), key)


def boto3_upload(at: Place, file: Path, key: str) -> Finished:
    return at.lab.through(sys.executable, "-c", UPLOAD_FILE, file, bucket(at), key)


def boto3_version() -> str:
    return version("boto3")


def s3cmd_program() -> Path:
    return python_with("s3cmd").parent / "s3cmd"


def s3cmd(at: Place, file: Path, key: str) -> Finished:
    """Its own configuration stays in force beside what ``haechi run`` adds to it."""
    (at.lab.home / ".s3cfg").write_text("[default]\nproxy_host = not.this.invalid\n")
    place = ["--host", HOST, "--host-bucket", f"%(bucket)s.{HOST}", "--region", REGION, "--multipart-chunk-size-mb=8"]
    return at.lab.through(s3cmd_program(), *place, "--no-progress", "put", file, f"s3://{bucket(at)}/{key}")


def s3cmd_version() -> str:
    return said_by(s3cmd_program(), "--version")


def rclone(at: Place, file: Path, key: str) -> Finished:
    remote = f":s3,provider=AWS,env_auth=true,region={REGION},no_check_bucket=true:{bucket(at)}/{key}"
    return at.lab.through(found("rclone"), "copyto", "--s3-upload-cutoff=5M", "--s3-chunk-size=8M", file, remote)


def rclone_version() -> str:
    return said_by(found("rclone"), "version")


def gsutil_program() -> Path:
    return python_with("gsutil").parent / "gsutil"


def gsutil(at: Place, file: Path, key: str) -> Finished:
    options = ["-o", f"s3:host={HOST}", "-o", "s3:use-sigv4=True", "-o", "GSUtil:check_hashes=never"]
    return at.lab.through(gsutil_program(), *options, "cp", file, f"s3://{bucket(at)}/{key}")


def gsutil_version() -> str:
    return said_by(gsutil_program(), "--version")


def curl(at: Place, file: Path, key: str) -> Finished:
    return at.lab.through(found("curl"), "-sS", "--fail-with-body", "-T", file, presigned(at, key))


def curl_version() -> str:
    return said_by(found("curl"), "--version")


def node_put(at: Place, file: Path, key: str) -> Finished:
    return at.lab.through(
        found("node"), HERE / "aws_sdk.mjs", NODE / "aws-sdk", "put", file, bucket(at), key, AWS_REGION=REGION
    )


def node_upload(at: Place, file: Path, key: str) -> Finished:
    return at.lab.through(
        found("node"), HERE / "aws_sdk.mjs", NODE / "aws-sdk", "upload", file, bucket(at), key, AWS_REGION=REGION
    )


def node_version() -> str:
    found("node")
    return of_package("aws-sdk", "@aws-sdk/client-s3")


# --- a browser ------------------------------------------------------------------------------------------------------


def trusted(at: Place) -> None:
    """Have Chromium trust the agent's root for this person: it looks at no variable and not at the system's roots.
    On a machine that is enforced an administrator does the same, or names the root in a policy of the browser's.
    """
    store = at.lab.home / ".pki" / "nssdb"
    if (store / "cert9.db").exists():
        return
    store.mkdir(parents=True, exist_ok=True)
    root = next((at.lab.folder / "state").rglob("root.pem"))
    tool = found("certutil")
    for words in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "haechi", "-i", str(root))):
        subprocess.run([tool, "-d", f"sql:{store}", *words], check=True, capture_output=True, timeout=30)


def chromium(at: Place, how: str, file: Path, said: object, picture: Path | None = None) -> Finished:
    """``how``: ``form`` or ``fetch``."""
    trusted(at)
    words = [HERE / "chromium.mjs", NODE / "chromium", how, found("chromium"), file, json.dumps(said)]
    return at.lab.through(found("node"), *words, *([picture] if picture else []))


def form(at: Place, file: Path, key: str) -> Finished:
    """The store is asked for an answer that a browser shows: its usual one (204) leaves the person on the form."""
    answer = {"success_action_status": "201"}
    return chromium(at, "form", file, signer().generate_presigned_post(bucket(at), key, answer, [answer]))


def fetch(at: Place, file: Path, key: str) -> Finished:
    return chromium(at, "fetch", file, {"url": presigned(at, key)})


def chromium_version() -> str:
    of_package("chromium", "puppeteer-core")
    return said_by(found("chromium"), "--version")
