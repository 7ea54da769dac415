"""The connector of the hosts that a self-test of the tools uploads to: nothing but HTTP is known of them."""

from __future__ import annotations

from haechi.domain.proof import token_of

from haechi_connectors.generic.connector import GenericConnector


class ElsewhereConnector(GenericConnector):
    """Claims the hosts of proofs (``haechi.domain.proof``), before the connector of the cloud whose name they borrow.

    Whoever takes such a name for a bucket of their own gains nothing: its facts are unknown then.
    """

    def claims(self, host: str) -> bool:
        """The hosts of proofs alone."""
        return bool(token_of(host))
