"""Running a command line: every error becomes one line on stderr and an exit code, none a traceback.

Exit codes: 0 done, 1 it failed, 2 the command line was wrong (or a model, field or value in it), 130 stopped with
Ctrl-C, 143 stopped with SIGTERM. Whoever reads our output and has had enough ends a command with 0.
"""

from __future__ import annotations

import _thread
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import typer
from typer.main import get_command

from ..errors import FieldError, PlanhatError, ValidationError
from ..names import did_you_mean
from .app import app
from .connect import UsageError
from .profiles import own_environment
from .question_error import QuestionError

_STOPPED = 130
_TERMINATED = 143
_AGAIN = 0.02
_UNKNOWN_COMMAND = re.compile(r"No such command '(.*?)'").match


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    came: list[int] = []
    try:
        with _sigterm(came), _unswallowed_interrupts(came), own_environment():
            code = _flushed(_run(arguments))
    except KeyboardInterrupt:
        code = _stopped()
    return _TERMINATED if came else code


@contextmanager
def _sigterm(came: list[int]) -> Iterator[None]:
    """Have SIGTERM end a command as Ctrl-C does, cleaned up; it is noted in `came`. Who ignores it goes on to."""

    def stop(number: int, frame: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    # Only the main thread may set handlers, and only it is interrupted.
    before = signal.getsignal(signal.SIGTERM)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextmanager
def _unswallowed_interrupts(came: list[int]) -> Iterator[None]:
    """Interrupt once more where an interrupt came while Python collected an object: from there nothing is raised.

    From another thread, and later: raised in the hook it would be lost, too.
    """
    before = sys.unraisablehook

    def again(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        number = came[-1] if came else signal.SIGINT
        timer = threading.Timer(_AGAIN, _interrupt, [number])
        timer.daemon = True
        timer.start()

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before


def _interrupt(number: int) -> None:
    """Send the main thread a signal, so that it wakes from whatever it waits for."""
    main = threading.main_thread().ident
    if sys.platform != "win32" and main is not None:
        signal.pthread_kill(main, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


@cache
def _command() -> Any:
    """The commands as Click has them. Typer takes longer to make them than most of them run."""
    return get_command(app)


def _run(arguments: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        # Names hold letters that a terminal set to ASCII cannot show.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        try:
            code = int(_command().main(list(arguments), prog_name="planhat", standalone_mode=False) or 0)
            # Some versions of Typer turn Ctrl-C into this code, others into an exception.
            return _stopped() if code == _STOPPED else code
        except UsageError as wrong:
            return _fail(_usage(wrong), 2)
        except (typer.Abort, KeyboardInterrupt):
            return _stopped()
        except SystemExit as end:
            # Click and Rich end the process where whoever reads our output has had enough; that is no failure.
            if end.code == 1 and _is_unread():
                return 0
            raise
        except BrokenPipeError:
            # Whoever read our output has had enough.
            return 0
        except QuestionError as wrong:
            code = _fail(str(wrong), 2)
            print(wrong.pointed, file=sys.stderr)
            return code
        except PlanhatError as error:
            message = " ".join([str(error), *getattr(error, "__notes__", ())])
            return _fail(message, 2 if isinstance(error, (FieldError, ValidationError)) else 1)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return _fail(f"{where}{error.strerror or type(error).__name__}.", 1)
        except Exception as unexpected:
            if os.environ.get("PLANHAT_TRACEBACK"):
                raise
            # Its text is not shown: it may quote a record.
            return _fail(
                f"unexpected {type(unexpected).__name__} {_place(unexpected)}. This is a fault of planhat_orm: "
                f"please report it. PLANHAT_TRACEBACK=1 shows the details, which may quote records.",
                1,
            )


def _is_unread() -> bool:
    """Whether Click or Rich found out that nobody reads standard output: both put something else in its place."""
    if type(sys.stdout).__name__ == "PacifyFlushWrapper":
        return True
    with suppress(OSError, ValueError):
        return os.path.samestat(os.fstat(sys.stdout.fileno()), Path(os.devnull).stat())
    return False


def _flushed(code: int) -> int:
    """The exit code once all output is written: what fails later, Python tells in words and a code of its own."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code == 0 and not isinstance(error, BrokenPipeError):
            return _fail(f"{error.strerror or type(error).__name__}.", 1)
    return code


def _stopped() -> int:
    # `python -m` ends by SIGINT where an interrupt ever left an exec() of text, as classes are made. The next clears
    # that.
    exec("")
    return _fail("stopped.", _STOPPED)


def _fail(message: str, code: int) -> int:
    print(f"planhat: {' '.join(message.split())}", file=sys.stderr)
    return code


def _usage(wrong: Any) -> str:
    context = wrong.ctx
    path = context.command_path if context is not None else "planhat"
    message = wrong.format_message()
    if hasattr(wrong, "possibilities") and context is not None:
        known = [name for param in context.command.params for name in param.opts if name.startswith("--")]
        message = f"{path} has no option {wrong.option_name}.{did_you_mean(wrong.option_name, known)}"
    command = _UNKNOWN_COMMAND(message)
    if command is not None and context is not None:
        message = (
            f"{path} has no command {command[1]!r}.{did_you_mean(command[1], context.command.list_commands(context))}"
        )
    return f'{message.rstrip(".")}. See "{path} --help".' if not message.endswith("?") else message


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if "planhat_orm" in path.parts:
            place = f"in {path.parent.name}/{path.name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"planhat: {message}", file=sys.stderr)
