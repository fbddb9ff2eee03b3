"""The command line: which commands there are, and what their exit status means.

A command is a module of `sandbox.commands`; what it needs beyond its own words it imports when it
is called, so that the help is quick.
"""

from importlib import import_module

from cyclopts import App

from sandbox.commands import shell

COMMANDS = ("run", "certify", "corpus", "serve", "bench", "doctor")
"""Each names a module of `sandbox.commands` and the function in it."""

app = App(
    name="sandbox",
    help="""Run untrusted Python programs in isolation.

    sandbox doctor

    sandbox run sort.py --args '[3, 1, 2]'

    echo '3 4' | sandbox run add.py --stdin -

    sandbox certify sort.py --args '[3, 1, 2]'

    sandbox corpus tests/sandbox/attacks

    sandbox serve --port 8080
    """,
)
for _name in COMMANDS:
    app.command(getattr(import_module(f"sandbox.commands.{_name}"), _name))


def main() -> None:
    """Entry point. Exit status: 0 fine, 1 the call or a layer failed, 2 bad input."""
    from sandbox.errors import SandboxError

    app.result_action = "return_value"
    try:
        result = app(exit_on_error=False, print_error=True)
    except SandboxError as error:
        shell.fail(str(error))
    except SystemExit:
        raise
    except Exception as error:
        from cyclopts import CycloptsError

        if not isinstance(error, CycloptsError):
            raise
        raise SystemExit(2) from None
    raise SystemExit(result if isinstance(result, int) else 0)
