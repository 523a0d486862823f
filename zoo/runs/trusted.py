"""trust.json: the packages, Python files and folders that a run's configuration names and its user trusted.

It is signed with a key that lies in the user's own folder of settings, so it counts for that user on that machine
alone: a run folder that came from elsewhere, or whose trust.json was changed, is anybody's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zoo.runs.files import write_json
from zoo.runs.folder import Run


def trusted_names(folder: Path) -> list[str]:
    """Return what this user trusted when the run in a folder was trained; nothing where the run is anybody's."""
    path = Run(folder).trust
    if not path.is_file() or (key := _key()) is None:
        return []
    with suppress(OSError, ValueError, TypeError, KeyError):  # of any content: it is not this user's then
        content = json.loads(path.read_text(encoding="utf-8"))
        names = [str(name) for name in content["names"]]
        if hmac.compare_digest(str(content["signature"]).encode(), _signature(key, names).encode()):
            return names
    return []


def record_trust(run: Run, names: Iterable[str]) -> None:
    """Write what the user trusts into a run, where there is anything.

    Without a place for the key, nothing is written: the run's next command asks for --trust.

    Raises:
        RunError: the run folder is read-only, or the disk is full.
    """
    listed = sorted(names)
    if not listed or (key := _key() or _new_key()) is None:
        return
    write_json(run.trust, {"names": listed, "signature": _signature(key, listed)})


def _signature(key: bytes, names: list[str]) -> str:
    return hmac.new(key, json.dumps(sorted(names)).encode(), hashlib.sha256).hexdigest()


def _key_path() -> Path:
    from platformdirs import user_config_path  # most runs need no key

    return user_config_path("zoo") / "trust.key"


def _key() -> bytes | None:
    try:
        return _key_path().read_bytes() or None
    except OSError:
        return None


def _new_key() -> bytes | None:
    """Return a random key that only this user can read, made by the first process that needs one."""
    path = _key_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        with open(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(own, path)  # whole, and never in place of another process's
        finally:
            own.unlink()
    except FileExistsError:
        pass
    except OSError:
        return None
    return _key()
