"""Open files that each process and thread keeps for itself."""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Handle = TypeVar("Handle")


class OwnHandle(Generic[Handle]):
    """Open a file on first use, once per process and thread; what is pickled is only how to open it.

    A handle that came along through a fork shares its read position with the parent, and libraries'
    readers are not made for several threads; so neither is ever used.

    Args:
        opener: opens the file; picklable.
    """

    def __init__(self, opener: Callable[[], Handle]) -> None:
        self._opener = opener
        self._local = threading.local()

    def get(self) -> Handle:
        """Return this thread's own open handle."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.handle = self._opener()
            self._local.pid = os.getpid()
        return self._local.handle

    def __reduce__(self) -> tuple[type["OwnHandle[Handle]"], tuple[Callable[[], Handle]]]:
        return OwnHandle, (self._opener,)
