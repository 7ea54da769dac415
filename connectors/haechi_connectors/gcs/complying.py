"""Uploads of a guarded client made compliant as a whole, before Google's SDK cuts them or takes their checksum.

``Blob`` has no event, and blobs are made in many ways, each by its class. All of their uploads meet in one method of
the class, which is therefore wrapped, once; only for clients with such a guard does it do anything. The method is
private: where it is missing, nothing is made compliant, and what is not compliant is refused.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.guard import Asked

from haechi_connectors.mending import head_of, opened, sealed, told, unmended

METHOD: Final = "_prep_and_do_upload"


def make_compliant() -> None:
    """See the module."""
    from google.cloud.storage.blob import Blob

    original = getattr(Blob, METHOD, None)
    if original is not None and not hasattr(original, "compliant"):
        setattr(Blob, METHOD, _wrapped(original))


def _wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def upload(self: Any, file_obj: Any, rewind: bool = False, size: Any = None, *more: Any, **named: Any) -> Any:
        client = more[1] if len(more) > 1 else named.get("client")
        agent = _agent(client or self.client)
        if agent is None:
            return original(self, file_obj, rewind, size, *more, **named)
        if rewind:
            file_obj.seek(0)
        made = _mended(agent, self, client or self.client, file_obj, size, named.get("predefined_acl"))
        if made is None:
            return original(self, file_obj, False, size, *more, **named)
        named.pop("crc32c_checksum_value", None)  # of the plain bytes
        with contextlib.closing(made):
            return original(self, made, False, os.fstat(made.fileno()).st_size, *more, **named)

    upload.compliant = True  # type: ignore[attr-defined]
    return upload


def _agent(client: Any) -> Asked | None:
    """The agent of a client's guard, where that makes compliant."""
    adapters = getattr(client._http, "adapters", {})
    return next((one.agent for one in adapters.values() if getattr(one, "comply", False)), None)


def _mended(agent: Asked, blob: Any, client: Any, body: Any, size: int | None, acl: str | None) -> Any:
    """The ciphertext, open, where it is to be sealed. The key is named on the blob."""
    made, name = None, f"/{blob.bucket.name}/{blob.name}"
    try:
        with opened(body, size=size) as source:
            length = os.fstat(source.fileno()).st_size
            mending = agent.mending(_head(blob, client, length, acl), source.fileno(), name)
            if mending.seal:
                made = sealed(agent, source, name)
    except HaechiError as error:
        unmended(error)
        return None
    if mending.seal or mending.key:
        told(mending, name)
    if mending.key:
        blob.kms_key_name = mending.key
    return made


def _head(blob: Any, client: Any, length: int, acl: str | None) -> Request:
    """Of the request that would send the object as one."""
    said = {"uploadType": "media", "name": blob.name, "kmsKeyName": blob.kms_key_name, "predefinedAcl": acl}
    query = urlencode({name: value for name, value in said.items() if value}, quote_via=quote)
    at = urlsplit(client.api_endpoint)
    url = f"{at.scheme}://{at.netloc}/upload/storage/v1/b/{blob.bucket.name}/o?{query}"
    return head_of("POST", url, {"content-length": str(length)})
