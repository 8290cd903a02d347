from __future__ import annotations

from pathlib import Path

from tests.system.reliability import BEGIN, END, Run


def test_what_two_processes_kept_is_put_into_one_document(tmp_path: Path) -> None:
    for name, seconds in (("sqlite", 1.0), ("postgresql", 3.0)):
        run = Run()
        run.ended("F01", "passed")
        run.measured("kill to token", seconds, "s", "≤ 8 s")
        run.keep(tmp_path / name)
    both = Run()
    both.add(tmp_path / "sqlite")
    both.add(tmp_path / "postgresql")
    document = tmp_path / "reliability.md"
    document.write_text(f"Before\n{BEGIN}\nan older table\n{END}\nAfter\n")
    both.write(document)
    written = document.read_text()
    assert written.startswith("Before\n")
    assert written.endswith("After\n")
    assert "an older table" not in written
    assert "| 2 passed |" in written
    assert "| kill to token | 2 s | 3 s | 2 | ≤ 8 s |" in written
