"""Small tools for flows that build on other flows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .effects import Emit, Flow, Request, Start

T = TypeVar("T")


def intercept(flow: Flow[T], kind: type | tuple[type, ...], serve: Callable[[Any], Flow[Any]]) -> Flow[T]:
    """Run `flow`, letting the flow `serve` answer its effects of some kind; others pass through."""
    answer: Any = None
    error: BaseException | None = None
    try:
        while True:
            try:
                effect = flow.throw(error) if error is not None else flow.send(answer)
            except StopIteration as stop:
                value: T = stop.value
                return value
            answer = error = None
            try:
                answer = (yield from serve(effect)) if isinstance(effect, kind) else (yield effect)
            except Exception as failure:
                error = failure
            del effect  # what it emitted need not stay in memory while the next is made
    finally:
        flow.close()


def mapped(flow: Flow[T], each: Callable[[Any], Flow[None]]) -> Flow[T]:
    """Run `flow`, handing everything it emits to the flow `each` instead."""
    return (yield from intercept(flow, Emit, lambda emit: each(emit.item)))


def collected(flow: Flow[Any]) -> Flow[list[Any]]:
    """Run `flow` and return everything it emits, its lists joined."""
    items: list[Any] = []

    def keep(item: Any) -> Flow[None]:
        items.extend(item)
        return
        yield

    yield from mapped(flow, keep)
    return items


def at_most(requests: int, flow: Flow[None]) -> Flow[bool]:
    """Run `flow` until it wants one request more than so many, and return whether it came to its end."""
    answer: Any = None
    error: BaseException | None = None
    try:
        while True:
            try:
                effect = flow.throw(error) if error is not None else flow.send(answer)
            except StopIteration:
                return True
            if isinstance(effect, Request):
                if not requests:
                    return False
                requests -= 1
            answer = error = None
            try:
                answer = yield effect
            except Exception as failure:
                error = failure
    finally:
        flow.close()


def counted(flow: Flow[T], count: Callable[[int], None]) -> Flow[T]:
    """Run `flow`, telling `count` of its requests, retries left out."""

    def send(effect: Request | Start) -> Flow[Any]:
        count(1)
        return (yield effect)

    return (yield from intercept(flow, (Request, Start), send))


def tap(flow: Flow[T], listener: Callable[[Any], None] | None) -> Flow[T]:
    """Run `flow`, telling `listener` everything it emits."""

    def tell(item: Any) -> Flow[None]:
        if listener is not None:
            listener(item)
        return
        yield

    return (yield from mapped(flow, tell))
