"""Paths: the one place that puts an id into a URL, and refuses an empty one.

A blank id would turn `GET /companies/<id>` into the list, and answer 200 (docs/reference/planhat-api.md section 4).
"""

from __future__ import annotations

from urllib.parse import quote

from .. import arguments
from ..errors import ValidationError
from .resources import Resource

LONGEST = 1_000
"""Characters of an id: what is longer fits into no address."""
_PREFIXES = ("extid-", "srcid-")


def collection(resource: Resource) -> str:
    """The path of the list, of creates and of bulk upserts."""
    return f"/{resource.path}"


def item(resource: Resource, key: str) -> str:
    """The path of one record; `key` is an `_id`, or `extid-...` or `srcid-...` where the resource takes them."""
    form, value = split_key(key)
    if not value.strip():
        raise ValidationError(f"An id of {resource.name} is empty. Give the id of one record.")
    if len(key) > LONGEST:
        raise ValidationError(f"An id of {resource.name} has at most {LONGEST:,} characters, not {len(key):,}.")
    if key in (".", ".."):
        raise ValidationError(f"{key!r} is no id, and in a path it means another place.")
    if form not in resource.id_forms:
        takes = (
            ", ".join(id_form if id_form == "_id" else f"{id_form}..." for id_form in resource.id_forms)
            or "no id at all"
        )
        raise ValidationError(f"{resource.path} are not found by {form}... in a path; it takes {takes}.")
    return f"/{resource.path}/{quote(key, safe='')}"


def may_be_id(text: str) -> bool:
    """Whether a record may have this `_id`. Queries may name others, as references may hold them; they find nothing."""
    return bool(text.strip()) and len(text) <= LONGEST and text not in (".", "..") and not text.startswith(_PREFIXES)


def split_key(key: str) -> tuple[str, str]:
    """Split a key into its form and value: `extid-7` gives `("extid-", "7")`, a plain id `("_id", id)`."""
    arguments.text("An id", key)
    for prefix in _PREFIXES:
        if key.startswith(prefix):
            return prefix, key.removeprefix(prefix)
    return "_id", key


def join_key(form: str, value: str) -> str:
    """The reverse of `split_key`."""
    return value if form == "_id" else form + value
