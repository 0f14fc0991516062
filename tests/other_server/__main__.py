"""`python -m tests.other_server`: the server as a process; it prints its address and runs until it is ended.

`GET /__test/log`, `GET /__test/records/<resource>?account=` and `POST /__test/behave` stand in for the objects of a test.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading

from tests.other_server.server import OtherServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.other_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--accounts", default='{"token-a": "tenant-a"}', help="JSON: token to tenant token")
    parser.add_argument("--behaviour", default="{}", help="JSON: options of Behaviour")
    chosen = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    options = json.loads(chosen.behaviour)
    with OtherServer(accounts=json.loads(chosen.accounts), port=chosen.port, control=True, **options) as server:
        print(server.url, flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
