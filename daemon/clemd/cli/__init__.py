"""The `clemd` command: arguments in, one exit code out.

0 done, 2 bad input or usage, 3 rejected, 4 not now, 70 a defect of ours.
"""

from __future__ import annotations

import sys

import structlog
import typer
from typer.exceptions import TyperException

from clemd.errors import ClemdError, RefusedFileError, TransientError, UsageError
from clemd.supervising import configure_logging

from ._main import app

DONE, BAD_INPUT, REJECTED, NOT_NOW, DEFECT = 0, 2, 3, 4, 70


def main(arguments: list[str] | None = None) -> int:
    """Run one command; whatever goes wrong becomes one line on stderr."""
    # a defect before a command has set up its log must not print every local variable
    configure_logging("ERROR", json=False)
    try:
        result = app(args=arguments, standalone_mode=False)
    except typer.Exit as ended:
        return ended.exit_code
    except TyperException as wrong:
        return _say(wrong.format_message(), BAD_INPUT)
    except typer.Abort:
        return 130
    except (UsageError, RefusedFileError) as wrong:
        return _say(str(wrong), BAD_INPUT)
    except TransientError as later:
        return _say(str(later), NOT_NOW)
    except ClemdError as failed:
        return _say(str(failed), DEFECT)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as defect:  # noqa: BLE001 - the one place that catches all
        structlog.get_logger(__name__).exception("defect")
        return _say(f"a defect of clemd: {type(defect).__name__}: {defect}", DEFECT)
    return result if isinstance(result, int) else DONE


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"clemd: {' '.join(text.split())}\n")
    return code


__all__ = ["main"]
