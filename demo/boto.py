"""What an engineer's own script would do with boto3. Prints the SDK's error as it is, and ends with 1 then."""

from __future__ import annotations

import sys
import urllib.request
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20


def put(s3: Any, file: str, bucket: str, key: str) -> None:
    """A streamed PutObject: aws-chunked with a trailing checksum, the SDK's default."""
    with open(file, "rb") as body:
        s3.put_object(Bucket=bucket, Key=key, Body=body)


def parts(s3: Any, file: str, bucket: str, key: str) -> None:
    """A multipart upload, part by part; taken back when a part is refused, as the SDK's own transfer does."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    done = []
    try:
        with open(file, "rb") as body:
            number = 1
            while piece := body.read(5 * MIB):
                answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=piece)
                done.append({"PartNumber": number, "ETag": answer["ETag"]})
                number += 1
        s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done})
    except ClientError:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        raise


def copy(s3: Any, source: str, bucket: str, key: str) -> None:
    """A copy on the server's side; ``source`` is ``bucket/key``."""
    s3.copy_object(Bucket=bucket, Key=key, CopySource=source)


def expose(s3: Any, bucket: str) -> None:
    """Open a bucket to everyone."""
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")


def presigned(s3: Any, file: str, bucket: str, key: str) -> None:
    """A URL that carries its own signature, used by a program without any credential."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
    with open(file, "rb") as body:
        request = urllib.request.Request(url, data=body.read(), method="PUT", headers={"Content-Type": ""})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


def weaker(s3: Any, file: str, bucket: str, key: str) -> None:
    """An upload that asks for the provider's own key instead of the bucket's."""
    with open(file, "rb") as body:
        s3.put_object(Bucket=bucket, Key=key, Body=body, ServerSideEncryption="AES256")


def main(arguments: list[str]) -> int:
    """``boto.py WHAT ARGUMENT…``."""
    client = boto3.client("s3", region_name="ap-northeast-2", config=Config(retries={"total_max_attempts": 2}))
    work = {"put": put, "parts": parts, "copy": copy, "expose": expose, "presigned": presigned, "weaker": weaker}
    try:
        work[arguments[0]](client, *arguments[1:])
    except ClientError as error:
        print(error, file=sys.stderr)
        return 1
    except urllib.error.HTTPError as error:
        print(error, error.read().decode(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
