"""A second server of Planhat's API for tests, written from the API's description alone (see README.md)."""

from tests.other_server import faults
from tests.other_server.behaviour import Behaviour, share
from tests.other_server.clock import ServerClock
from tests.other_server.faults import on
from tests.other_server.server import OtherServer
from tests.other_server.tenant import Account

__all__ = ["Account", "Behaviour", "OtherServer", "ServerClock", "faults", "on", "share"]
