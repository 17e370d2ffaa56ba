"""Where a person's data lives on their own machine.

Beside the main path: `server.py` and `chat.py` ask before they write anything.
"""

from __future__ import annotations

from pathlib import Path

from remanence.errors import SettingsError


def home_of(setting: str) -> Path:
    """The directory of our data; it need not exist yet.

    Args:
        setting: REMANENCE_HOME, empty when it is not set.

    Raises:
        SettingsError: it stands below a home directory that is not there.
    """
    if setting and not setting.startswith("~"):
        return Path(setting)
    try:
        wanted = Path(setting or "~/.remanence").expanduser()
    except RuntimeError:  # neither HOME nor an entry in the user database
        raise _homeless("there is no home directory") from None
    person = Path("~").expanduser()
    # An empty HOME makes `~` the root directory; one that does not exist would be made.
    if not person.is_dir() or str(person) in {".", "/"}:
        raise _homeless(f"the home directory (HOME) is {str(person)!r}, which is none")
    return wanted


def _homeless(reason: str) -> SettingsError:
    return SettingsError([f"{reason}: set REMANENCE_HOME to a directory for the data"])
