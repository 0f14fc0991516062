"""Taking the scopes along into other threads and tasks, or leaving them behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, cast

from .chain import enter
from .clients import chosen

P = ParamSpec("P")
T = TypeVar("T")


def carry(function: Callable[P, T]) -> Callable[P, T]:
    """Have `function` run inside the scopes that are open here, clients and blocks, in any thread or task.

    Each call has a copy of its own of all context variables as they are now.

    >>> with planhat.batch(dry_run=True) as batch:  # doctest: +SKIP
    ...     worker = threading.Thread(target=carry(work))
    """
    context = copy_context()
    if iscoroutinefunction(function):

        @wraps(function)
        async def run_in_task(*args: P.args, **kwargs: P.kwargs) -> Any:
            import asyncio  # who awaits this has it

            coroutine = function(*args, **kwargs)
            return await asyncio.create_task(coroutine, context=context.copy())

        return cast("Callable[P, T]", run_in_task)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return context.copy().run(function, *args, **kwargs)

    return run


@contextmanager
def detached() -> Iterator[None]:
    """Inside this no block holds anything: writes are sent at once, and reads go where they would without it.

    A batch that is opened inside holds what is written in it, as ever.

    >>> with planhat.batch(dry_run=True), detached():  # doctest: +SKIP
    ...     audit.save()
    """
    scope = enter(chosen(), "detached")
    try:
        yield
    finally:
        scope.close()
