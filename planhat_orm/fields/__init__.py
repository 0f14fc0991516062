"""Fields: what models are declared with, and the one gate for values that people hand over.

A field is a name, a name on the wire, a kind, and who may write it. It knows nothing of clients and requests.
"""

from .base import Field
from .custom import Custom, CustomFields
from .hierarchy import DerivedRef, Tree
from .kinds import Bool, Choice, DateTime, Day, Dict, Id, Int, Json, Key, List, Number, RefList, Str, StrList
from .relations import Many, ManyToMany, One, Ref

__all__ = [
    "Bool",
    "Choice",
    "Custom",
    "CustomFields",
    "DateTime",
    "Day",
    "DerivedRef",
    "Dict",
    "Field",
    "Id",
    "Int",
    "Json",
    "Key",
    "List",
    "Many",
    "ManyToMany",
    "Number",
    "One",
    "Ref",
    "RefList",
    "Str",
    "StrList",
    "Tree",
]
