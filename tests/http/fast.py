"""Time by hand, and a driver of `deliver` that answers from a list."""

from __future__ import annotations

from typing import Any

from planhat_orm.errors import RequestError
from planhat_orm.http.clock import Clock
from planhat_orm.http.effects import Attempt, Request, Response, RunBlocking, Sleep, Unanswered
from planhat_orm.http.quota import Quota
from planhat_orm.http.retry import Retry, deliver


class HandClock(Clock):
    """A clock that stands until it is told to move."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += seconds


class Delivery:
    """One request deliver_with_token, each try answered by the next of `answers` (the last one over and over)."""

    def __init__(
        self, request: Request, *answers: Response | Unanswered, retry: Retry | None = None, quota: Quota | None = None
    ) -> None:
        quota = quota or Quota(1_000_000, HandClock())
        clock = quota.clock
        assert isinstance(clock, HandClock)
        self.tries = 0
        self.pauses: list[float] = []
        self.error: RequestError | None = None
        self.response: Response | None = None
        flow = deliver(request, retry or Retry(), quota, clock)
        answer: Any = None
        throw: Exception | None = None
        try:
            while True:
                effect = flow.throw(throw) if throw else flow.send(answer)
                answer = throw = None
                match effect:
                    case Sleep(seconds):
                        self.pauses.append(seconds)
                        clock.pass_by(seconds)
                    case Attempt(sent):
                        assert sent is request
                        given = answers[min(self.tries, len(answers) - 1)]
                        self.tries += 1
                        if isinstance(given, Response):
                            answer = given
                        else:
                            throw = given
                        if request.metered:
                            quota.release(given.headers if isinstance(given, Response) else None)
                    case RunBlocking(call):
                        answer = call()
                    case _:
                        raise AssertionError(effect)
        except StopIteration as stop:
            self.response = stop.value
        except RequestError as error:
            self.error = error


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def reset() -> Unanswered:
    return Unanswered("the connection broke", sent=True)


def refused() -> Unanswered:
    return Unanswered("nothing listens", sent=False, kind="refused")
