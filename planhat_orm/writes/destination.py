"""Where a write goes: into an open batch, into the outbox of an offline block, or out now."""

from __future__ import annotations

from collections.abc import Iterable

from .. import runtime
from ..errors import BlockError
from ..models.base import Model
from ..runtime import Client
from ..scopes import blocks
from ..scopes.chain import Scope
from .sender import Sender


def block_of(client: Client, record: Model, *carried: Scope | None) -> Scope | None:
    """The block that holds a write of `record` through `client`, or None; the record is that account's from then on.

    Raises `WhichClient` for a record of another account, `BlockError` where a block cannot hold what it promised to.
    """
    ((block, _),) = by_block(client, [record], *carried)
    return block


Groups = list[tuple[Scope | None, list[Model]]]
"""Records by the block that holds them, None for those that are sent now."""


def by_block(client: Client, records: Iterable[Model], *carried: Scope | None, stray: bool = True) -> Groups:
    """Records by the block that holds them, in their order. Raises before any of them goes anywhere.

    They are `stray` unless a batch of their own held them until now.
    """
    records = list(records)
    holders: dict[int, Scope | None] = {}
    groups: dict[int, tuple[Scope | None, list[Model]]] = {}
    for record in records:
        runtime.check_account(record, client)
        scope = record._origin.scope
        if id(scope) not in holders:
            holders[id(scope)] = blocks.holder(client.account, scope, *carried, stray=stray)
        block = holders[id(scope)]
        groups.setdefault(id(block), (block, []))[1].append(record)
    for record in records:
        runtime.bind(record, client)
    return list(groups.values())


def sender_for(client: Client, block: Scope | None) -> Sender:
    """What sends now; in an offline block what writes down, in the outbox of the client that opened it."""
    if block is None:
        return Sender(client)
    owner = block.client
    if owner is None:
        raise ended_just_now(block)
    return Sender(owner, offline=True)


def ended_just_now(block: Scope) -> BlockError:
    """The error for a write that a block was to hold that another thread ended meanwhile."""
    return BlockError(
        f"The {block.kind} of {block.place} ended in another thread while this was written, so nothing was sent. Wait "
        f"for threads and tasks before it ends."
    )
