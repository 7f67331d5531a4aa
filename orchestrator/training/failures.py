"""What went wrong in the user's code, in the user's terms: the line that is his, and no frames of ours."""

import errno
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from orchestrator.errors import UserError
from orchestrator.training.link import Failed, FailureKind
from orchestrator.training.redaction import redacted

MESSAGE_LIMIT = 300
TRACEBACK_LIMIT = 16_000

OURS = Path(__file__).resolve().parent.parent
OUR_FOLDERS = (f"{OURS}{os.sep}", f"{OURS.parent / 'search_spaces'}{os.sep}")
SHIPPED_STUDIES = f"{OURS / 'studies'}{os.sep}"
LIBRARIES = tuple({f"{Path(sysconfig.get_path(name)).resolve()}{os.sep}" for name in ("stdlib", "purelib", "platlib")})
GENERATED = ("<frozen ", "__autograph_generated_file")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
GPU_OUT_OF_MEMORY = re.compile(
    r"out.of.memory|Dst tensor is not initialized|failed to alloc|ALLOC_FAILED|_STATUS_NOT_INITIALIZED"
    r"|Blas \S+ launch failed|without BLAS support|DNN library initialization failed",
    re.IGNORECASE,
)
"""What TensorFlow and CUDA's libraries say of it under other names. The last four have other causes too; but that there
was no memory left for cuBLAS's and cuDNN's own is what they mean where these have worked before."""
TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class BadStudy(UserError):
    """A mistake that every trial would share, found only when training starts.

    `where`: the function of the study that is to be mended, as "file.py:LINE in name".
    """

    def __init__(self, message: str, function: Callable[..., Any] | None = None) -> None:
        super().__init__(message)
        code = getattr(function, "__code__", None)
        self.where = f"{Path(code.co_filename).name}:{code.co_firstlineno} in {code.co_name}" if code else ""


def failed(error: BaseException, has_trained: bool = False) -> Failed:
    """`has_trained`: the configuration is known to work."""
    if isinstance(error, BadStudy):
        told = redacted(str(error))
        return Failed("BadStudy", told, error.where, told, "configuration", bad_study=True)
    message = " ".join(TERMINAL_COLOURS.sub("", redacted(str(error))).split())
    return Failed(
        error=_type_name(type(error)),
        message=message if len(message) <= MESSAGE_LIMIT else f"{message[: MESSAGE_LIMIT - 1]}…",
        where=_where(error.__traceback__),
        traceback=_traceback_text(error),
        kind=_kind(error, has_trained),
    )


def _kind(error: BaseException, has_trained: bool) -> FailureKind:
    told = list(_with_causes(error))
    if any(_is_full_disk(item) for item in told):
        return "storage"
    if any(_is_out_of_memory(item) for item in told):
        return "out of memory"
    return "exception" if has_trained else "configuration"


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """And what was being handled when it was raised: an error on the way out of another is that other's."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        item = left.pop()
        if item is not None and id(item) not in seen:
            seen.add(id(item))
            yield item
            left += [item.__cause__, item.__context__, *getattr(item, "exceptions", ())]


def _is_full_disk(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    # TensorFlow has one error for all that can run out.
    return _is_tensorflows(error, "ResourceExhaustedError") and any(os.strerror(e) in str(error) for e in NO_ROOM)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or _is_tensorflows(error, "ResourceExhaustedError"):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return _is_tensorflows(error, "OpError") and GPU_OUT_OF_MEMORY.search(str(error)) is not None


def _is_tensorflows(error: BaseException, name: str) -> bool:
    """It need not be imported for that: where nobody has, no error is of it."""
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(error, getattr(tf.errors, name))


def _type_name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _where(trace: TracebackType | None) -> str:
    """The innermost frame of the user's own code; else of a library's, as when `fit` finds shapes that do not fit."""
    frames = list(traceback.extract_tb(trace))
    others = [frame for frame in frames if not _is_ours(frame.filename)]
    users = [frame for frame in others if not _is_library(frame.filename)]
    if not frames:
        return ""
    frame = (users or others or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"


def _is_ours(filename: str) -> bool:
    return filename.startswith(OUR_FOLDERS) and not filename.startswith(SHIPPED_STUDIES)


def _is_library(filename: str) -> bool:
    if filename.startswith(SHIPPED_STUDIES):
        return False
    return filename.startswith(LIBRARIES) or any(mark in filename for mark in GENERATED)


def _traceback_text(error: BaseException) -> str:
    text = redacted("".join(_without_ours(traceback.TracebackException.from_exception(error)).format()))
    if len(text) <= TRACEBACK_LIMIT:
        return text
    half = TRACEBACK_LIMIT // 2
    return f"{text[:half]}\n  […]\n{text[-half:]}"


def _without_ours(told: traceback.TracebackException) -> traceback.TracebackException:
    others = [frame for frame in told.stack if not _is_ours(frame.filename)]
    told.stack = traceback.StackSummary.from_list(others or list(told.stack))
    for cause in (told.__cause__, told.__context__):
        if cause is not None:
            _without_ours(cause)
    return told
