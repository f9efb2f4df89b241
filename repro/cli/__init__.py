"""The command line: parse, call, hand to the renderer. Nothing here imports torch before a run starts."""

from __future__ import annotations

import os
import re
import shlex
import sys

import typer

from repro.cli import (
    comparing,
    coverage,
    data,
    differing,
    doctor,
    home,
    listing,
    plotting,
    queueing,
    repeating,
    reporting,
    running,
    showing,
    tabling,
)
from repro.cli.context import GlobalOptions
from repro.errors import UserError, nearest
from repro.paths import FULL, PLACES
from repro.preflight import environment

app = typer.Typer(
    add_completion=True,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback(invoke_without_command=True)(home.home)
app.command("run")(running.run)
app.command("table")(tabling.table)
app.command("plot")(plotting.plot)
app.command("report")(reporting.report_)
app.command("status")(queueing.status)
app.command("logs")(queueing.logs)
app.command("cancel")(queueing.cancel)
app.command("show")(showing.show)
app.command("diff")(differing.diff)
app.command("rerun")(repeating.rerun)
app.command("compare")(comparing.compare)
app.command("coverage")(coverage.coverage)
app.command("list")(listing.list_)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")

_CALL = re.compile(r"\brepro (?=(?:data|run|table|plot|report|compare|show|diff|rerun|doctor|coverage|status|logs|cancel)\b)")
_CLICK_ERROR = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def _usage_error(error: Exception) -> UserError:
    """A wrong option or command, in the three-line form."""
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "repro"
    attempted = message.rpartition("'")[0].rpartition("'")[2]
    commands = list(getattr(context.command, "commands", {})) if context else []
    near = nearest(attempted, commands) if "command" in message.lower() else None
    message = message.partition(". Did you mean")[0]  # it is the next line's to say
    return UserError(message, f"did you mean {near!r}?" if near else "the command line could not be understood", f"{command} --help")


def _with_places(cure: str, arguments: list[str]) -> str:
    """The commands of a cure with the options by which this call named its places, or they would look elsewhere."""
    options = []
    for place in PLACES:
        for position, word in enumerate(arguments):
            if word == f"--{place}" and position + 1 < len(arguments):
                options.append(f"--{place} {shlex.quote(arguments[position + 1])}")
            elif word.startswith(f"--{place}="):
                options.append(f"--{place} {shlex.quote(word.partition('=')[2])}")
    return _CALL.sub(" ".join(["repro", *options, ""]), cure) if options else cure


def _complain(error: UserError, arguments: list[str]) -> None:
    what, why, cure = (" ".join(line.split("\n")) for line in error.lines())
    cure = _with_places(cure, arguments)
    print(f"error: {what}\n  why: {why}\n  try: {cure}", file=sys.stderr)


def _require_values(words: list[str]) -> None:
    """An option without its value would mean its default, and perhaps hours of something else."""
    for before, word in zip(["", *words], words, strict=False):
        option = before if not word and before.startswith("-") else word[:-1] if re.fullmatch(r"--[a-z-]+=", word) else None
        if option:
            raise UserError(
                f"{option} is empty", "so is a variable of the shell that is not set", f"give it a value, or leave {option} out"
            )


def _led(arguments: list[str] | None) -> int | None:
    """The command. Of a torchrun's processes the first has it, and the others take their part of its runs."""
    if environment.rank():
        from repro.ranks import follow

        return follow()
    return app(args=arguments, prog_name="repro", standalone_mode=False)


def _interrupted(error: BaseException | None) -> bool:
    """Whether it is what a library made of a Ctrl-C: raised from it, or, by what is not written in Python, with its name alone."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _drop_output() -> None:
    """What is still buffered goes nowhere, or the interpreter would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _code(arguments: list[str] | None, words: list[str]) -> int:
    """How it ended."""
    try:
        _require_values(words)
        code = _led(arguments)
        sys.stdout.flush()
    except UserError as error:
        _complain(error, words)
        code = 2
    except _CLICK_ERROR as error:
        _complain(_usage_error(error), words)
        code = 2
    except typer.Exit as stop:
        code = stop.exit_code
    except typer.Abort:
        code = 130
    except BrokenPipeError:  # the reader left: `repro list | head`
        _drop_output()
        code = 0
    except OSError as error:
        if error.errno not in FULL:
            raise
        _drop_output()
        _complain(UserError("a disk is full", f"{error.strerror}, for what is printed or kept", "repro doctor, and make room"), words)
        code = 2
    except SystemExit as stop:  # typer's own answer to the same
        code = 0 if isinstance(stop.__context__, BrokenPipeError) else stop.code
    except Exception as error:
        if not _interrupted(error):
            raise
        code = 130
    return code if isinstance(code, int) else 0


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Exit codes: 0 done, 1 a run failed, 2 a mistake that the three printed lines explain, 130 interrupted."""
    code = _code(arguments, sys.argv[1:] if arguments is None else arguments)
    if code == 130:  # what typer makes of Ctrl-C
        raise KeyboardInterrupt
    if code in (0, 1) and environment.rank() == 0:  # in any other case torchrun ends those who wait for this process
        from repro.ranks import dismiss

        dismiss()
    sys.exit(code)


__all__ = ["GlobalOptions", "app", "main"]
