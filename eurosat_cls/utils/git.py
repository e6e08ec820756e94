"""Which revision of the code a run was made with."""

import re
import subprocess
from pathlib import Path

# A repository can name programs that git runs when it looks for changes, and folders are exchanged and unpacked.
_PROGRAMS = re.compile(r"^(filter\.|core\.(fsmonitor|worktree)|extensions\.worktreeconfig|include)", re.MULTILINE)
_QUIET = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks", "--no-pager")


def revisions() -> dict[str, str]:
    """Return the git revisions of this package and of the working folder, where these are checkouts.

    What differs from the revision in files that git knows is told as ``(dirty)``. A repository whose own settings name
    programs is not searched for changes, as that would run them: ``(changes not looked for)``.

    Example:
        >>> set(revisions()) <= {"package", "working folder"}
        True
    """
    folders = {"package": Path(__file__).resolve().parents[1], "working folder": Path.cwd()}
    found = {name: revision_of(folder) for name, folder in folders.items()}
    return {name: revision for name, revision in found.items() if revision is not None}


def revision_of(folder: Path) -> str | None:
    """Return the revision of a folder's checkout, or None without one, or without git."""
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not commit or not _git(folder, "ls-files", "--", "."):
        return None  # no checkout, or a folder in one that git does not keep, such as an installed package
    settings = _git(folder, "config", "--local", "--includes", "--name-only", "--list")
    if settings is None or _PROGRAMS.search(settings):
        return f"{commit} (changes not looked for)"
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    return f"{commit} (dirty)" if changes != "" else commit


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", *_QUIET, "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
