"""Where a person's data lives on their own machine.

Beside the main path: `server.py` and `chat.py` ask before they write anything.
"""

from __future__ import annotations

import base64
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from remanence.errors import SettingsError
from remanence.sealing import KEY_BYTES


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


def own_secrets_key(home: Path) -> str:
    """The key that seals secrets on this machine, made at the first start: home/secrets.key.

    Whoever has the database without this file cannot read them, and without it nobody can.
    """
    path = home / "secrets.key"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=home) as draft:  # mkstemp: readable by us only
            draft.write(base64.b64encode(os.urandom(KEY_BYTES)).decode() + "\n")
            draft.flush()
            os.fsync(draft.fileno())
            with suppress(FileExistsError):  # another server of this home was faster
                os.link(draft.name, path)  # whole or not at all, and never over another's
    return path.read_text(encoding="ascii").strip()


def _homeless(reason: str) -> SettingsError:
    return SettingsError([f"{reason}: set REMANENCE_HOME to a directory for the data"])
