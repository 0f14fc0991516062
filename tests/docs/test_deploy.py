"""The files of examples/deploy are well formed, name only commands that there are, and hold no secret."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from planhat_orm.cli.app import app

from .pages import ROOT

FOLDER = ROOT / "examples" / "deploy"
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def accepted(words: list[str]) -> None:
    """A command line is one that `planhat` takes: parsed, not run."""
    command = COMMANDS[words[0]]
    command.make_context("planhat", list(words[1:]))


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / name)
    return parser


def parsed(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def test_the_dockerfile_runs_a_command_and_a_check_that_there_are() -> None:
    text = (FOLDER / "Dockerfile").read_text("utf-8")
    lists = [
        [word.strip().strip('"') for word in match.split(",")]
        for match in re.findall(r"^(?:CMD) \[(.*)\]$", text, re.MULTILINE)
    ]
    assert len(lists) == 1
    accepted(lists[0])
    [check] = re.findall(r"^HEALTHCHECK .* CMD planhat (.*)$", text, re.MULTILINE)
    accepted(shlex.split(check))
    assert "USER planhat" in text


def test_the_compose_file_starts_the_sync_after_the_database() -> None:
    services = parsed("compose.yaml")["services"]
    accepted(services["sync"]["command"])
    assert services["sync"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["sync"]["environment"]["PLANHAT_API_TOKEN"].startswith("${PLANHAT_API_TOKEN:?")


def test_the_timer_starts_a_service_that_knows_how_a_sync_ends() -> None:
    service, timer = unit("planhat-sync.service"), unit("planhat-sync.timer")
    accepted(service["Service"]["ExecStart"].split()[1:])
    assert service["Service"]["SuccessExitStatus"] == "143"
    assert timer["Timer"]["OnCalendar"]


def test_the_cron_job_never_runs_twice_at_a_time() -> None:
    spec = parsed("cronjob.yaml")["spec"]
    [container] = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    accepted(container["args"])
    assert spec["concurrencyPolicy"] == "Forbid"
    assert all("secretKeyRef" in variable["valueFrom"] for variable in container["env"])


def test_the_workflow_runs_commands_that_there_are() -> None:
    steps = parsed("github-actions.yaml")["jobs"]["sync"]["steps"]
    lines = [shlex.split(step["run"]) for step in steps if "run" in step]
    for words in lines:
        if words[0] == "planhat":
            accepted(words[1:])
    assert ["planhat", "sync"] in lines


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_every_file_is_on_the_page_about_them(path: Path) -> None:
    assert f"`{path.name}`" in (ROOT / "docs" / "how-to" / "deploy.md").read_text("utf-8")
