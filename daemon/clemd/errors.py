"""What can go wrong, named after the situation, with its facts and its mend.

`ClemdError` is the family; the two branches decide what a caller does next:
`TransientError` means "again later", everything else means "give up and say so".
"""

from __future__ import annotations


class ClemdError(Exception):
    """The family: catch it to catch everything clemd raises on purpose."""


class TransientError(ClemdError):
    """Raised when the same call may succeed later without anybody's help."""


class UsageError(ClemdError):
    """Raised when a command, profile or request cannot be carried out as given.

    The command line turns it into one line on stderr and exit code 2.
    """

    def __init__(self, what: str, where: str, mend: str) -> None:
        super().__init__(f"{what} ({where}): {mend}" if where else f"{what}: {mend}")
        self.what = what
        """The rule that was broken, in words."""
        self.where = where
        """The file, key or value it was broken by."""
        self.mend = mend
        """What to do about it."""


class ProfileError(UsageError):
    """Raised when a profile breaks a rule: the key, its value and the mend."""


class StateFolderError(UsageError):
    """Raised when the state folder cannot be used (taken, read-only, remote)."""


class RefusedFileError(ClemdError):
    """Raised when a file will never become a frame: not an image, unsafe, broken."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        """One line: what is wrong and what to do."""


class UnreadableFormatError(RefusedFileError):
    """Raised when no driver recognises the file."""


class IncompleteFileError(TransientError):
    """Raised when a file's structure points at bytes that are not there yet."""

    def __init__(self, reason: str, *, missing_from: int, missing_to: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.missing_from = missing_from
        """First missing byte, counted from the start of the file."""
        self.missing_to = missing_to
        """One past the last missing byte."""


class ChangedFileError(TransientError):
    """Raised when a file changed, shrank or vanished while it was being read."""


class RegistrationRefusedError(ClemdError):
    """Raised when an image cannot be registered at all (empty, constant, NaN...)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DeviceError(TransientError):
    """Raised when the computing device failed; the worker must be recycled."""


class WrongResultError(DeviceError):
    """Raised when a device has computed what is not so: nothing of it is published."""


class DeviceFullError(DeviceError):
    """Raised when the computing device has no memory left, however little is asked."""


class LeaseLostError(ClemdError):
    """Raised when a job is finished by a worker that no longer owns it."""


class StoppedError(TransientError):
    """Raised at a breathing point when the job is to stop there; it may begin anew."""


class SensorLostError(TransientError):
    """Raised when a temperature sensor stops answering."""


class LeverRefusedError(ClemdError):
    """Raised when a device does not let its power or its clocks be set."""
