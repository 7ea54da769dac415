"""From a client's connection to its process, on Linux."""

from haechi.outbound.actors.attribution import SocketActors

__all__ = ["SocketActors"]
