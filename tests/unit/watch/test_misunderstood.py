"""What is written about tags and not understood is kept until it is mended, and told once."""

from __future__ import annotations

from haechi.app.misunderstood import MOST, Misunderstood
from haechi.ports.tags import Problem

from tests.unit.watch.conftest import Machine


def problem(where: str, code: str = "tag.malformed-at") -> Problem:
    return Problem(code, {"where": where})


def test_it_is_kept_until_its_place_is_looked_at_again() -> None:
    told: list[Problem] = []
    known = Misunderstood(told.append)
    known.replace([problem("/a/.haechi.yaml"), problem("/b/f")])
    known.update(["/a"], [problem("/a/.haechi.yaml")])
    assert [one.params["where"] for one in known.all()] == ["/a/.haechi.yaml", "/b/f"]
    assert len(told) == 2, "each is told once"
    known.update(["/a"], [])
    known.update(["/b/f"], [])
    assert not known.all()


def test_so_many_are_kept_and_no_more() -> None:
    known = Misunderstood()
    known.replace(problem(f"/{number}") for number in range(2 * MOST))
    assert len(known.all()) == MOST


def test_the_watcher_keeps_what_it_could_not_understand(machine: Machine) -> None:
    rules = machine.folder / ".haechi.yaml"
    (machine.folder / "f").write_bytes(machine.new_body())
    rules.write_text("tags: [{technology: SEM-1, grade: A, files: '*'}]\n")
    assert machine.until(lambda: [p.code for p in machine.watcher.misunderstood.all()] == ["tag.unknown-technology-at"])
    rules.write_text("tags: [{technology: SEM-01, grade: A, files: '*'}]\n")
    assert machine.until(lambda: not machine.watcher.misunderstood.all())
