"""What a server in a process of its own tells a test: `/__test/...`, without a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.other_server import routes
from tests.other_server.cast import Refused
from tests.other_server.http1 import Answer, Request

if TYPE_CHECKING:
    from tests.other_server.server import OtherServer


def answer(server: OtherServer, request: Request) -> Answer:
    match request.parts:
        case ["__test", "log"]:
            return routes.json_answer([entry.summary() for entry in server.log])
        case ["__test", "records", name]:
            return routes.json_answer(server.records(name, request.query.get("account")))
        case ["__test", "behave"]:
            server.behave(**routes.parsed(request))
            return routes.json_answer({})
    raise Refused("Not found", 404)
