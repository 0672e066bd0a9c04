"""Why a run ended before its plan did: one sentence with what can be done about it."""

from __future__ import annotations

from backbone.errors import StackError, is_command


def reason(error: BaseException) -> str:
    """Return the sentence for whatever ended a run, without the words "the run stopped early"."""
    if isinstance(error, KeyboardInterrupt):
        by = str(error.args[0]) if error.args else "Ctrl-C"  # the name of the signal it stands for
        return f"it was interrupted by {by}; run it again and let it come to its end"
    if isinstance(error, StackError):
        evidence = (error.context or "").strip().splitlines()[-1:]
        said = f" ({evidence[0][:200]})" if evidence else ""
        remedy = " and ".join(filter(is_command, (error.hint or "").splitlines())) or "./invoke status"
        return f"{error.reference}: {error.message}{said}; look with {remedy}, then run it again"
    if isinstance(error, OSError) and error.filename:
        what = f"{error.filename} could not be written or read ({error.strerror})"
        return f"{what}; free or repair the disk, then run it again"
    what = f"an error of the verifier itself ({type(error).__name__}: {error})"
    return f"{what}; report it with error.txt of the run's folder"
