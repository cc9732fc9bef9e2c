"""A process that other processes of its user can't look into, however one of them was taken over."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def seclude_process() -> None:
    """Let no process of the same user read the environment or the memory of this one, nor trace it.

    It leaves no core dump either. Whoever may trace any process, as root may outside of containers, still can; systems
    other than Linux have nothing as simple, so that there it does nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
