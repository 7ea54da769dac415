"""A program with aiobotocore's clients and guards on them; prints what became of each upload as JSON.

It runs in an environment that has aiobotocore and nothing of the agent's requirements.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from haechi_connectors import guard

PART = 5 << 20


class Once(io.RawIOBase):
    """A stream that cannot be set back."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._source.read(size)


async def put(client: Any, bucket: str, key: str, body: Any, **more: Any) -> str:
    try:
        answer = await client.put_object(Bucket=bucket, Key=key, Body=body, **more)
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    return json.dumps(answer["ResponseMetadata"].get("Haechi", "stored"))


async def in_parts(client: Any, bucket: str, key: str, body: bytes) -> str:
    where = {"Bucket": bucket, "Key": key}
    begun = await client.create_multipart_upload(**where)
    cut = [body[at : at + PART] for at in range(0, len(body), PART)]

    async def part(number: int) -> dict[str, Any]:
        sent = await client.upload_part(**where, UploadId=begun["UploadId"], PartNumber=number, Body=cut[number - 1])
        return {"PartNumber": number, "ETag": sent["ETag"]}

    try:
        parts = await asyncio.gather(*(part(number + 1) for number in range(len(cut))))
        await client.complete_multipart_upload(**where, UploadId=begun["UploadId"], MultipartUpload={"Parts": parts})
    except ClientError as error:
        await client.abort_multipart_upload(**where, UploadId=begun["UploadId"])
        return str(error)
    return "stored"


async def main(way: str, ca: str, socket: str, bucket: str, work: str) -> dict[str, str]:
    tagged, sealed = Path(work, "layout.gds"), Path(work, "layout.gds.age")
    small = Path(work, "recipe.bin").read_bytes()
    config = AioConfig(proxies={"https": way, "http": way}, retries={"total_max_attempts": 1})

    def client() -> Any:
        return get_session().create_client("s3", region_name="ap-northeast-2", verify=ca, config=config)

    said: dict[str, str] = {}
    async with client() as s3, client() as mended, client() as alone:
        guard(s3, agent=socket)
        guard(mended, comply=True, agent=socket)
        guard(alone, agent="/nowhere/control.sock")
        said["clean"] = await put(s3, bucket, "aio-clean", b"clean")
        said["tagged"] = await put(s3, bucket, "aio-tagged", small)
        for name, path in (("tagged-file", tagged), ("sealed-file", sealed)):
            with path.open("rb") as body:
                said[name] = await put(s3, bucket, f"aio-{name}", body)
        said["sealed-memory"] = await put(s3, bucket, "aio-sealed-memory", io.BytesIO(sealed.read_bytes()))
        whole = sealed.read_bytes()
        said["sealed-once"] = await put(s3, bucket, "aio-sealed-once", Once(whole), ContentLength=len(whole))
        said["sealed-parts"] = await in_parts(s3, bucket, "aio-sealed-parts", whole)
        said["tagged-parts"] = await in_parts(s3, bucket, "aio-tagged-parts", tagged.read_bytes())
        at_once = await asyncio.gather(*(put(s3, bucket, f"aio-{n}", b"%d" % n) for n in range(30)))
        said["at-once"] = str(at_once.count('"stored"'))
        said["mended"] = await put(mended, bucket, "aio-mended", small)
        said["alone"] = await put(alone, bucket, "aio-alone", b"clean")
        fetched = await s3.get_object(Bucket=bucket, Key="aio-clean")
        said["read"] = (await fetched["Body"].read()).decode()
    return said


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
