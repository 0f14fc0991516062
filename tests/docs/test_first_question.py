"""The last step of the tutorial, a question of one's own, prints what the page says that it prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from planhat_orm.cli import main
from planhat_orm.emulator import Emulator

from .pages import ROOT

PAGE = (ROOT / "docs" / "tutorial" / "first-hour.md").read_text("utf-8")


def test_a_question_of_ones_own_prints_what_the_tutorial_shows(
    tenant: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = PAGE.partition("## 10. A question of your own")[2].partition("\n## ")[0]
    (typed,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLANHAT_CONFIG", str(tmp_path / "profiles.toml"))
    for line in typed.splitlines():
        program, *words = shlex.split(line)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            # The models of the question are enough, and take a tenth of the time.
            main([*words, "Company", "User", "License"] if words == ["sync"] else words)
        assert (program, ended.value.code) == ("planhat", 0)
    assert capsys.readouterr().out == shown
