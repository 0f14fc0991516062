"""The definition of a custom field."""

from __future__ import annotations

from ...fields import Bool, Choice, Int, List, Number, Str, StrList
from ..base import Model


class CustomField(Model, resource="custom_field"):
    """The definition of a custom field. Records carry its value under its name."""

    name = Str(required=True, doc="Label and key.")
    type = Choice(
        "number",
        "text",
        "rich text",
        "checkbox",
        "day",
        "date",
        "list",
        "multipicklist",
        "team member",
        "team members",
        "rating",
        "phone",
        "email",
        "enduser",
        "endusers",
        "url",
        required=True,
        doc="What kind of value it holds.",
    )
    parent = Str(required=True, doc="Model name such as Company, EndUser, Asset, Project, Conversation, Task, License.")
    is_featured = Bool(doc="Shown in the detail view.")
    is_hidden = Bool(doc="Not shown in the app.")
    is_shared = Bool(doc="Portal.")
    is_locked = Bool(doc="Not editable in the UI.")
    is_mandatory = Bool(doc="Must be filled in.")
    is_formula = Bool(doc="Worked out by Planhat, so not to be set.")
    treat_undefined_as_zero = Bool(doc="For number formulas.")
    formula = Str(doc="The formula.")
    list_values = StrList(doc="Options of list and multipicklist.")
    filter = List(readonly=True, doc="When the field is shown.")
    formula_refs = StrList(readonly=True, doc="Fields that the formula uses.")
    number_format = Str(doc="For numbers.")
    sort_order = Number(doc="Place among the fields.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")
