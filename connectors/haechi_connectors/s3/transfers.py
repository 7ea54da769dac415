"""``upload_file`` and ``upload_fileobj`` of a guarded client: sent where the guard sees it, and compliant as a whole.

boto3 has a second way to send a transfer, the AWS Common Runtime, which it takes by itself on some machines. No event
tells of its requests, so a guarded client never takes it. And with ``comply`` a transfer is sealed before it is cut:
the parts of one ciphertext are no ciphertexts. There is no event for a transfer either; boto3 puts its methods on the
client itself, and so does this.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.guard import Asked

from haechi_connectors.mending import opened, sealed, told, unmended
from haechi_connectors.s3.bodies import in_file, rewinding

KMS: Final = "aws:kms"
METHODS: Final = ("upload_file", "upload_fileobj")
HeadOfPut = Callable[[str, str, Mapping[str, Any]], Request]
"""Of the request that would send an object (bucket, key, further arguments) as one."""


def guard_transfers(client: Any, agent: Asked, head: HeadOfPut | None) -> None:
    """In the place of the client's own methods, where it has them; without ``head`` nothing is made compliant."""
    for name in METHODS:
        vars(client).pop(name, None)  # those of an earlier guard
    if all(hasattr(client, name) for name in METHODS):
        guarded = _Transfers(agent, head, client.upload_file, client.upload_fileobj)
        client.upload_file, client.upload_fileobj = guarded.upload_file, guarded.upload_fileobj


def visible(config: Any) -> Any:
    """The same transfer by the SDK's own requests."""
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig() if config is None else copy.copy(config)
    config.preferred_transfer_client = "classic"
    return config


class _Transfers:
    """The two methods. Their arguments are boto3's own, by their own names."""

    def __init__(self, agent: Asked, head: HeadOfPut | None, file: Any, fileobj: Any) -> None:
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
        sent, extra, made = self._file, ExtraArgs, None
        if self._head is not None:
            with open(Filename, "rb") as source:  # noqa: PTH123 - a name of any kind, as boto3 takes it
                extra, made = self._mended(self._head, source, Bucket, Key, ExtraArgs)
        if made is not None:
            sent = self._fileobj
        with contextlib.nullcontext(Filename) if made is None else made as body:
            sent(body, Bucket, Key, ExtraArgs=extra, Callback=Callback, Config=visible(Config))

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
        extra, made = ExtraArgs, None
        if self._head is not None:
            extra, made = self._mended(self._head, Fileobj, Bucket, Key, ExtraArgs)
        with contextlib.nullcontext(Fileobj) if made is None else made as body:
            self._fileobj(body, Bucket, Key, ExtraArgs=extra, Callback=Callback, Config=visible(Config))

    def _mended(self, head_of: HeadOfPut, body: Any, bucket: str, key: str, extra: Any) -> tuple[Any, Any]:
        """The arguments as they are to be, and the ciphertext where it was sealed."""
        made = None
        head = head_of(bucket, key, extra or {})
        name = head.target.partition("?")[0]
        try:
            with opened(body, in_file, rewinding) as source:
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
