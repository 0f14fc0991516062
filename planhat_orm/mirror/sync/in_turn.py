"""Flows one after the other, the first request of each on its way while the one before waits for its answers.

A sync asks for little of most models: with half a second an answer it would wait for one of them after the other. The
requests are the same, only some are sent sooner. Where answers come fast, nothing is asked for before its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...http.effects import Emit, Flow, Request, Response, Sleep, Start, Wait
from ...http.flows import intercept
from .paging import STEP

BEGUN = 3
"""So many flows are begun before their turn. Each has one or two requests on their way."""


class InTurn:
    """Runs the flows that `made` makes of some names, in their order."""

    def __init__(self, names: Sequence[str], made: Callable[[str], Flow[None]]) -> None:
        self._names = names
        self._made = made
        self._begun: dict[str, _Begun] = {}
        self._is_slow = False

    def run(self, name: str) -> Flow[None]:
        """Run the flow of a name, which may be passed over, to its end."""
        begun = self._begun.pop(name, None)
        flow = self._made(name) if begun is None else begun.rest()
        try:
            yield from self._begin_next(name)
            yield from intercept(flow, (Request, Wait), lambda effect: self._wait(effect, name))
        finally:
            if begun is not None:
                begun.close()

    def close(self) -> None:
        """Give up what was begun and had no turn."""
        for begun in self._begun.values():
            begun.close()
        self._begun.clear()

    def _wait(self, effect: Any, name: str) -> Flow[Response]:
        answer: Response = yield effect
        # It also shows that the server is there and takes the token, so that others are not asked for in vain.
        self._is_slow = answer.seconds >= STEP
        yield from self._begin_next(name)
        return answer

    def _begin_next(self, name: str) -> Flow[None]:
        place = self._names.index(name) + 1
        for following in self._names[place : place + BEGUN]:
            if self._is_slow and following not in self._begun:
                begun = self._begun[following] = _Begun(self._made(following))
                yield from begun.begin()


class _Begun:
    """A flow that is run up to where it waits, and later to its end. What it emits and raises before is kept."""

    def __init__(self, flow: Flow[None]) -> None:
        self._flow = flow
        self._emitted: list[Emit] = []
        self._effect: Any = None
        self._failure: Exception | None = None

    def begin(self) -> Flow[None]:
        """Run up to where an answer is waited for, with the request for it sent."""
        try:
            effect = next(self._flow)
            while effect is not None and not isinstance(effect, (Request, Wait, Sleep)):
                if isinstance(effect, Emit):
                    self._emitted.append(effect)
                    effect = next(self._flow)
                else:
                    effect = yield from self._step(effect)
            self._effect = Wait((yield Start(effect))) if isinstance(effect, Request) else effect
        except Exception as failure:
            self._failure = failure

    def rest(self) -> Flow[None]:
        """Run the rest."""
        yield from self._emitted
        if self._failure is not None:
            raise self._failure
        effect = self._effect
        while effect is not None:
            effect = yield from self._step(effect)

    def close(self) -> None:
        """Give it up."""
        self._flow.close()

    def _step(self, effect: Any) -> Flow[Any]:
        """Have an effect answered, and return the next one; None at the end."""
        answer: Any = None
        error: Exception | None = None
        try:
            answer = yield effect
        except Exception as failure:
            error = failure
        try:
            return self._flow.send(answer) if error is None else self._flow.throw(error)
        except StopIteration:
            return None
