"""System users, through the tools of the package passwd."""

from __future__ import annotations

import contextlib
import grp
import pwd
import time
from pathlib import Path

import psutil

from haechi.outbound.system.shell import Shell


class Accounts:
    """The users of this machine."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def uid(self, user: str) -> int | None:
        """The user's number, or None."""
        try:
            return pwd.getpwnam(user).pw_uid
        except KeyError:
            return None

    def add(self, user: str, home: Path) -> None:
        """A system user that nobody can log in as."""
        if self.uid(user) is None:
            # A group of that name from elsewhere is joined: useradd would refuse otherwise.
            group = ("--gid", user) if _group(user) else ("--user-group",)
            self._shell.run(
                "useradd", "--system", *group, "--no-create-home", "--home-dir", str(home),
                "--shell", "/usr/sbin/nologin", "--comment", "Haechi agent", user,
            )  # fmt: skip

    def remove(self, user: str) -> None:
        """What still runs as the user ends; then the user goes, and its group where that is left."""
        uid = self.uid(user)
        if uid is not None:
            _end_processes(uid)
            self._shell.run("userdel", user)
        if _group(user):
            self._shell.run("groupdel", user)


def _group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _end_processes(uid: int) -> None:
    """Envoy outlives its agent for a while, so that what is under way is refused and not broken off."""
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in _living(uid):
            with contextlib.suppress(psutil.NoSuchProcess):
                end(process)
        deadline = time.monotonic() + 5
        while _living(uid) and time.monotonic() < deadline:
            time.sleep(0.05)


def _living(uid: int) -> list[psutil.Process]:
    """A zombie does nothing any more, and in a container there may be nobody to reap it."""
    return [
        process
        for process in psutil.process_iter(["uids", "status"])
        if process.info["uids"] and process.info["uids"].real == uid and process.info["status"] != psutil.STATUS_ZOMBIE
    ]
