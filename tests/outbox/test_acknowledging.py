"""An answered create that could not be acknowledged is found again, and not sent twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, MirrorError, Note, Planhat
from planhat_orm.mirror.outbox.outbox import Outbox

from ..other_server import stand_in


@pytest.mark.parametrize("bulk", [True, False], ids=["batch", "save"])
def test_a_create_that_was_answered_and_not_acknowledged_is_made_once(
    bulk: bool, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        stand_in.server(kind, 2) as emulator,
        Planhat(emulator.api_token, api_url=emulator.url, mirror=tmp_path / "m.db", scan="allow") as planhat,
    ):
        planhat.sync(Company)
        before = len(emulator.store.all("conversation"))
        company = Company.objects.all()[0]
        works = Outbox.acknowledge

        def fail(self: Any, *arguments: Any, **named: Any) -> Any:
            raise MirrorError("The disk is full.")

        monkeypatch.setattr(Outbox, "acknowledge", fail)
        note = Note(company=company, subject="Once", type="note")
        with pytest.raises(MirrorError, match="disk is full"):
            if bulk:
                with planhat.batch():
                    note.save()
            else:
                note.save()
        monkeypatch.setattr(Outbox, "acknowledge", works)
        planhat.push()
        planhat.push()
        assert len(emulator.store.all("conversation")) == before + 1
        assert not planhat.outbox
