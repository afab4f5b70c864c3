"""What a run does if an error ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cgkit.engine.component_checks import plugin_at_fault
from cgkit.errors import CgkitError, DivergedError
from cgkit.registry import describe_exception
from cgkit.runs.context import RunContext


@contextmanager
def failures_recorded(
    context: RunContext, *, save: Callable[[], None], end: Callable[[str, int, str], None]
) -> Iterator[None]:
    """If a `CgkitError` ends the run, save the state; if any error does, record how the run ended.

    Nothing is saved after an unexpected exception; the last checkpoint remains valid.

    Args:
        context: the surroundings of the run.
        save: saves the state, if it is exactly that after the last step and not saved yet.
        end: records the state in which the run ended, its exit code and the error.
    """
    try:
        yield
    except CgkitError as error:
        # Saving needs all ranks. All ranks raise a DivergedError together, but only one may raise any other error.
        together = context.processes.count == 1 or isinstance(error, DivergedError)
        try:
            if together:
                save()
        except DivergedError:
            raise
        except Exception as failed:  # noqa: BLE001 - the first error is the cause
            context.reporter.warning(f"the state after the last step could not be saved: {describe_exception(failed)}")
        finally:
            end("diverged" if isinstance(error, DivergedError) else "failed", error.exit_code, str(error))
        raise
    except Exception as error:
        blamed = plugin_at_fault(error, context.assembly.components.values())
        if blamed is not None:
            end("failed", blamed.exit_code, str(blamed))
            raise blamed from error
        end("failed", 1, describe_exception(error))
        raise
    except KeyboardInterrupt:
        end("interrupted", 130, "")
        raise
