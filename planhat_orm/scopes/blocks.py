"""Which block a write belongs to, and where it would break a block's promise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import forks
from ..errors import BlockError
from .accounts import Account
from .chain import Scope, chain, enter, innermost

if TYPE_CHECKING:
    from ..runtime import Client


class _OpenBlocks(dict[int, Scope]):
    """The dry runs and offline blocks that are open in the process. Only writes without a scope look here."""

    def keep_own(self) -> None:
        """Keep those around the code that forked, in the child: nobody else is there to end the others."""
        own = {id(block): block for block in chain(innermost()) if id(block) in self}
        self.clear()
        self.update(own)


_open = _OpenBlocks()
forks.in_child(_open.keep_own)


def open_block(client: Client, kind: Any, batch: Any = None) -> Scope:
    """Enter a block."""
    block = enter(client, kind, batch)
    if kind in ("dry run", "offline block"):
        _open[id(block)] = block
    return block


def close_block(block: Scope, *, failing: bool) -> None:
    """Leave a block. Raises `BlockError` where it was entered in another context, as it then held nothing.

    With `failing` another exception is on its way, which says more.
    """
    _open.pop(id(block), None)
    if not block.close() and not failing:
        raise BlockError(
            f"The {block.kind} of {block.place} was entered in one context and left in another, so it held nothing "
            f"of what ran in between, and nothing is sent: a sync dependency of FastAPI and a fixture of another "
            f"task run like this. Enter it with `with`, in the function that writes."
        )


def holder(account: Account, *carried: Scope | None, stray: bool = False) -> Scope | None:
    """The open block that a write to `account` goes to, or None where it is live.

    `carried` are the scopes that the record, or the batch that hands it on, came from. Raises `BlockError` where a
    block promised to hold the write and cannot, or where nothing says whether it is to be held; a `stray` write, of
    a record by itself, also where only a batch of another account is around it.
    """
    context = innermost()
    blocks, foreign = _around(context, account)
    if not _is_detached(context):
        blocks += [block for scope in carried for block in _carried(scope, account) if block not in blocks]
    if stray and not blocks and foreign is not None:
        raise BlockError(
            f"This belongs to the account {account}, and is written inside a {foreign.kind} of {foreign.account} "
            f"({foreign.place}): open a batch of its own client around it, or write it outside."
        )
    if not blocks and context is None:
        _refuse_beside_blocks(account)
    dry = next((block for block in blocks if block.kind == "dry run"), None)
    # Inside a dry run nothing is written, not even to an outbox.
    return dry if blocks and blocks[0].kind == "offline block" and dry is not None else next(iter(blocks), None)


def open_batch(account: Account, *carried: Scope | None) -> Any:
    """The innermost open batch of `account`, or None. Raises nothing: reading asks, too."""
    for scope in (innermost(), *carried):
        for step in _attached(scope):
            if step.batch is not None and step.account == account and step.pid == os.getpid():
                return step.batch
    return None


def is_offline(client: Client, carried: Scope | None = None) -> bool:
    """Whether an offline block of `client` is open around this code, or was where `carried` comes from.

    Raises `BlockError` for code that outlived the block: it would read the API where it was to read the mirror.
    """
    context = innermost()
    steps = [step for step in _attached(context) if not step.is_over]
    if not _is_detached(context):
        steps += [step for step in _attached(carried) if not (step.ended and step.is_home())]
    block = next((step for step in steps if step.kind == "offline block" and step.client is client), None)
    if block is not None and block.ended:
        raise BlockError(
            f"The offline block that this is read in ({block.place}) has ended. Wait for threads and tasks before it "
            f"ends, or read inside `with planhat_orm.detached():`."
        )
    return block is not None


def check_live(account: Account) -> None:
    """Raise `BlockError` for a call that writes at once, where a dry run or an offline block holds what is written."""
    block = holder(account)
    if block is not None and block.kind != "batch":
        raise _not_now(block)


def check_request(account: Account) -> None:
    """Raise `BlockError` for a request that writes, whatever sends it, inside a dry run or an offline block."""
    for step in _attached(innermost()):
        if step.kind in ("dry run", "offline block") and step.account == account and not step.is_over:
            raise _not_now(step)


def _not_now(block: Scope) -> BlockError:
    return BlockError(
        f"Inside the {block.kind} of {block.place} nothing is sent, and this call cannot wait: make it outside, or "
        f"inside `with planhat_orm.detached():` if it is meant to be sent now."
    )


def _around(context: Scope | None, account: Account) -> tuple[list[Scope], Scope | None]:
    """The open blocks of an account around this code, and the nearest batch of another account."""
    blocks: list[Scope] = []
    foreign: Scope | None = None
    for step in _attached(context):
        if not step.holds or step.is_over:
            continue
        if step.account == account:
            _check(step)
            blocks.append(step)
        elif step.kind != "offline block" and not step.ended:
            foreign = foreign or step
    return blocks, foreign


def _carried(scope: Scope | None, account: Account) -> list[Scope]:
    """The open blocks of an account that something came from. A batch that ended holds it no longer."""
    blocks = []
    for step in _attached(scope):
        if step.holds and step.account == account and not (step.ended and (step.kind == "batch" or step.is_home())):
            _check(step)
            blocks.append(step)
    return blocks


def _check(block: Scope) -> None:
    """Raise `BlockError` for a block that ended, or that another process opened."""
    if block.ended:
        raise BlockError(
            f"The {block.kind} that this write belongs to ({block.place}) has ended and cannot hold it any more. Wait "
            f"for threads and tasks before it ends, or write inside `with planhat_orm.detached():`."
        )
    if block.pid != os.getpid() and block.kind != "offline block":
        raise BlockError(
            f"The {block.kind} of {block.place} was opened by another process, which would not send what this one "
            f"writes. Open a batch in this process, or write inside `with planhat_orm.detached():`."
        )


def _refuse_beside_blocks(account: Account) -> None:
    block = next((block for block in list(_open.values()) if block.account == account), None)
    if block is not None:
        raise BlockError(
            f"The {block.kind} of {block.place} is open, and a thread without a scope of its own writes to its "
            f"account: is that to be held or sent? To hold it, start the thread with `planhat_orm.carry(function)` or "
            f"use `planhat.threads(8)`. To send it, write inside `with planhat:` or `with planhat_orm.detached():`."
        )


def _attached(scope: Scope | None) -> Iterator[Scope]:
    """A chain, up to where the code said that blocks do not matter."""
    for step in chain(scope):
        if step.kind == "detached" and not step.is_over:
            return
        yield step


def _is_detached(scope: Scope | None) -> bool:
    return scope is not None and any(step.kind == "detached" and not step.is_over for step in chain(scope))
