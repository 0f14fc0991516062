"""The two tokens: where they come from, where they go into a request, and how they are taken out of what is said.

A request of ours holds no token: in a path stands a placeholder. They are put in for the moment of sending, in
frames that no error leads to.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from urllib.parse import quote

from .. import forks
from ..errors import ConfigurationError
from .effects import TENANT, Request

_PLACEHOLDER = quote(TENANT)

Token = str | Callable[[], str] | None


def masked(address: str) -> str:
    """An address without the password in it, also a mistyped one, which SQLAlchemy does not mask."""
    before, at, after = address.rpartition("@")
    if at:
        start = before.find("//") + 2 if "//" in before else 0
        colon = before.find(":", start)
        before = f"{before[:colon]}:***" if colon >= 0 else before
    return re.sub(r"(?i)((?:password|passwd|pwd|secret|token)=)[^&;\s]*", r"\1***", f"{before}{at}{after}")


class Secrets:
    """The two tokens, each a text, or a function that is asked for one. Neither shows in a repr, and pickling raises.

    A function is asked when a token is first needed, and once more when the server refuses the one it gave.
    """

    __slots__ = ("_asked", "_given", "_lock", "_patterns", "_tokens")

    def __init__(self, api_token: Token = None, tenant_token: Token = None) -> None:
        self._given: dict[str, Token] = {"api_token": api_token, "tenant_token": tenant_token}
        self._tokens = {name: token if isinstance(token, str) else None for name, token in self._given.items()}
        self._asked = dict.fromkeys(self._given, 0)
        self._patterns: dict[str, re.Pattern[bytes]] = {}
        self._lock = forks.Lock()

    def __repr__(self) -> str:
        return "Secrets()"

    def __reduce__(self) -> str:
        raise TypeError("Tokens are not pickled: build Planhat() again in the other process.")

    @property
    def api_token(self) -> str | None:
        """The token of the main host; None while a function was not asked for it."""
        return self._tokens["api_token"]

    @property
    def tenant_token(self) -> str | None:
        """The token of the analytics host; None while a function was not asked for it."""
        return self._tokens["tenant_token"]

    def given(self, name: str) -> Token:
        """What was given as the token of that name: a text, a function, or nothing."""
        return self._given[name]

    # --- asking a function ------------------------------------------------------------------------------

    def asked(self, request: Request) -> int:
        """How often the function behind the token of `request` was asked: 0 means that it has to be, -1 that none is.

        Raises `ConfigurationError` when the token is not there.
        """
        name = needed_token(request)
        if name is None:
            return -1
        if not self._given[name]:
            raise ConfigurationError(
                f"This call needs a token: set PLANHAT_{name.upper()}, or pass Planhat({name}=...)."
            )
        return self._asked[name] if callable(self._given[name]) else -1

    def ask(self, request: Request, asked: int) -> None:
        """Ask the function behind the token of `request`, unless somebody else did since it was asked so often."""
        name = needed_token(request)
        assert name is not None
        with self._lock:
            function = self._given[name]
            if self._asked[name] == asked and callable(function):
                self._tokens[name] = _answer(function, name)
                self._asked[name] += 1

    # --- using them -------------------------------------------------------------------------------------

    def fill_in(self, request: Request) -> tuple[str, dict[str, str]]:
        """The path of `request` with the tenant token where it belongs there, and the header that proves who asks."""
        return self._path(request), self._header(request)

    def _path(self, request: Request) -> str:
        if request.auth == "none" and TENANT in request.path:
            # Only here: in the path of any other call these letters are somebody's id.
            return request.path.replace(TENANT, quote(self.tenant_token or "", safe=""))
        return request.path.replace(TENANT, _PLACEHOLDER)

    def _header(self, request: Request) -> dict[str, str]:
        if request.auth == "token":
            return {"authorization": f"Bearer {self.api_token}"}
        if request.auth == "tenant":
            pair = base64.b64encode(f"{self.tenant_token}:".encode()).decode()
            return {"authorization": f"Basic {pair}"}
        return {}

    # --- taking them out --------------------------------------------------------------------------------

    def strike(self, text: bytes) -> bytes:
        """Take the tokens out of what a server said, in plain, in percent encoding and in base64."""
        for token in self._tokens.values():
            if token:
                text = self._pattern(token).sub(b"***", text)
        return text

    def strike_text(self, text: str) -> str:
        """Do what `strike` does, to text."""
        return self.strike(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def _pattern(self, token: str) -> re.Pattern[bytes]:
        if token not in self._patterns:
            self._patterns[token] = _forms(token)
        return self._patterns[token]


def needed_token(request: Request) -> str | None:
    """The name of the token that `request` needs."""
    if request.auth == "token":
        return "api_token"
    return "tenant_token" if request.auth == "tenant" or TENANT in request.path else None


def find_fault(token: object, name: str) -> str | None:
    """What is wrong with a token, if anything; it is not shown."""
    if not isinstance(token, str):
        return f"{name} must be text, or a function that returns text, not {type(token).__name__}."
    if not all("!" <= letter <= "~" for letter in token.strip()):
        return f"{name} has spaces or letters in it that no token has: copy it again."
    return None


def _answer(function: Callable[[], str], name: str) -> str:
    try:
        token = function()
    except Exception as failure:
        raise ConfigurationError(f"{name}() was asked for the token and raised {type(failure).__name__}.") from failure
    wrong = find_fault(token, f"What {name}() returns")
    if wrong or not token.strip():
        del token  # tools that print the variables of a frame must not find it here
        raise ConfigurationError(wrong or f"{name}() was asked for the token and returned an empty text.")
    return token.strip()


def _forms(token: str) -> re.Pattern[bytes]:
    """A pattern of the forms in which a server may say a token again."""
    letters = [f"(?:{re.escape(letter)}|%(?:25)?{ord(letter):02x})" for letter in token]
    forms = ["".join(letters)]
    for start in range(3):
        # In base64 three letters make four, so a token looks different in each of three positions.
        cut = base64.b64encode(b"\0" * start + token.encode())
        inner = cut[(0, 2, 3)[start] : len(cut) - (4 if len(cut) > 8 else 0)].decode().rstrip("=")
        if len(inner) >= 8:
            forms.append(re.escape(inner).replace(r"\+", "[+-]").replace("/", "[/_]"))
    return re.compile("|".join(forms).encode("ascii"), re.IGNORECASE)
