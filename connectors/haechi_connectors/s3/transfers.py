"""``upload_file`` and ``upload_fileobj`` with ``comply``: a transfer is made compliant as a whole.

A part of an object cannot be sealed by itself: the parts of one ciphertext are no ciphertexts. boto3 offers no event
for a transfer, and puts its methods on the client itself; so does this.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.guard import Asked

from haechi_connectors.s3.mending import KMS, opened, sealed, told, unmended

METHODS: Final = ("upload_file", "upload_fileobj")
HeadOfPut = Callable[[str, str, Mapping[str, Any]], Request]
"""Of the request that would send an object (bucket, key, further arguments) as one."""


def mend_transfers(client: Any, agent: Asked, head: HeadOfPut | None) -> None:
    """In the place of the client's own methods; without ``head`` they are the client's own again."""
    for name in METHODS:
        vars(client).pop(name, None)
    if head is not None and all(hasattr(client, name) for name in METHODS):
        mended = _Transfers(agent, head, client.upload_file, client.upload_fileobj)
        client.upload_file, client.upload_fileobj = mended.upload_file, mended.upload_fileobj


class _Transfers:
    """The two methods. Their arguments are boto3's own, by their own names."""

    def __init__(self, agent: Asked, head: HeadOfPut, file: Any, fileobj: Any) -> None:
        self._agent, self._head, self._file, self._fileobj = agent, head, file, fileobj

    def upload_file(
        self,
        Filename: Any,  # noqa: N803
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        ExtraArgs: Any = None,  # noqa: N803
        Callback: Any = None,  # noqa: N803
        Config: Any = None,  # noqa: N803
    ) -> None:
        """As boto3's."""
        with open(Filename, "rb") as source:  # noqa: PTH123 - a name of any kind, as boto3 takes it
            extra, made = self._mended(source, Bucket, Key, ExtraArgs)
        if made is None:
            self._file(Filename, Bucket, Key, ExtraArgs=extra, Callback=Callback, Config=Config)
            return
        with made:
            self._fileobj(made, Bucket, Key, ExtraArgs=extra, Callback=Callback, Config=Config)

    def upload_fileobj(
        self,
        Fileobj: Any,  # noqa: N803
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        ExtraArgs: Any = None,  # noqa: N803
        Callback: Any = None,  # noqa: N803
        Config: Any = None,  # noqa: N803
    ) -> None:
        """As boto3's."""
        extra, made = self._mended(Fileobj, Bucket, Key, ExtraArgs)
        with made if made is not None else contextlib.nullcontext(Fileobj) as sent:
            self._fileobj(sent, Bucket, Key, ExtraArgs=extra, Callback=Callback, Config=Config)

    def _mended(self, body: Any, bucket: str, key: str, extra: Any) -> tuple[Any, Any]:
        """The arguments as they are to be, and the ciphertext where it was sealed."""
        made = None
        head = self._head(bucket, key, extra or {})
        name = head.target.partition("?")[0]
        try:
            with opened(body) as source:
                mending = self._agent.mending(head, source.fileno(), name)
                if mending.seal:
                    made = sealed(self._agent, source, name)
        except HaechiError as error:
            unmended(error)
            return extra, None
        if mending.seal or mending.key:
            told(mending, name)
        if mending.key:
            extra = {**(extra or {}), "ServerSideEncryption": KMS, "SSEKMSKeyId": mending.key}
        return extra, made
