"""Files appear when they are whole; what killed processes left goes, what living ones write stays."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.core.errors import RunError
from zoo.core.whole_file import publish, remove_leftovers, replacing, temporary_folder
from zoo.runs.files import write_atomically

#: A program that is killed while it writes a file.
KILLED = """
import os, signal, sys
from pathlib import Path
from zoo.core.whole_file import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""

#: Counts calls of the file system from the moment at which kill_at is called, and is killed before the n-th.
PRELOAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/types.h>
#include <unistd.h>
static long left = 0;
void kill_at(long n) { left = n; }
static void count(void) { if (left > 0 && --left == 0) kill(getpid(), SIGKILL); }
#define NEXT(name, result, types) count(); result (*next) types = dlsym(RTLD_NEXT, #name)
#define OPEN(name) int name(const char *p, int f, ...) { \
  va_list a; va_start(a, f); int m = va_arg(a, int); va_end(a); \
  NEXT(name, int, (const char *, int, ...)); return next(p, f, m); }
#define ONE(name) int name(int d) { NEXT(name, int, (int)); return next(d); }
#define PATHS(name) int name(const char *a, const char *b) { \
  NEXT(name, int, (const char *, const char *)); return next(a, b); }
OPEN(open) OPEN(open64)
ONE(close) ONE(fsync) ONE(fdatasync)
PATHS(rename)
int unlink(const char *p) { NEXT(unlink, int, (const char *)); return next(p); }
int chmod(const char *p, mode_t m) { NEXT(chmod, int, (const char *, mode_t)); return next(p, m); }
int flock(int d, int o) { NEXT(flock, int, (int, int)); return next(d, o); }
off_t lseek(int d, off_t o, int w) { NEXT(lseek, off_t, (int, off_t, int)); return next(d, o, w); }
off64_t lseek64(int d, off64_t o, int w) { NEXT(lseek64, off64_t, (int, off64_t, int)); return next(d, o, w); }
ssize_t write(int d, const void *b, size_t n) {
  NEXT(write, ssize_t, (int, const void *, size_t));
  if (left == 1) { next(d, b, n / 2); kill(getpid(), SIGKILL); } /* half of it */
  return next(d, b, n); }
"""

#: Saves over an old checkpoint, in a process that is killed at each call of the file system in turn.
SAVES = """
import ctypes, os, sys
from pathlib import Path
import torch
from zoo.core import whole_file
from zoo.training.checkpoints import AtomicCheckpointIO
whole_file.NEW = 0
kill_at, path = ctypes.CDLL(None).kill_at, Path("last.ckpt")
old, new = ({"state_dict": {"a": torch.full((2000,), value)}, "hyper_parameters": {}} for value in (0.0, 1.0))
values, left, number, status = [], 0, 0, -1
while status != 0:
    AtomicCheckpointIO().save_checkpoint(old, path)
    assert os.listdir() == ["last.ckpt"], os.listdir()
    number += 1
    if (child := os.fork()) == 0:
        kill_at(number)
        AtomicCheckpointIO().save_checkpoint(new, path)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, 9), status
    left += len(os.listdir()) - 1
    values.append(torch.load(path, weights_only=True)["state_dict"]["a"].unique().tolist())
print(number, left, values == sorted(values), values[0], values[-1])
"""


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_the_file(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    assert subprocess.run([sys.executable, "-c", KILLED, path]).returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    write_atomically(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]
    assert path.read_text() == "new"


def test_a_file_that_a_living_process_writes_stays(tmp_path):
    with replacing(tmp_path / "results.json") as file:
        file.write(b"whole")
        file.flush()
        remove_leftovers(tmp_path)
        remove_leftovers(tmp_path, "results.json")
        assert Path(file.name).exists()
    assert (tmp_path / "results.json").read_bytes() == b"whole"


def test_a_file_of_the_user_is_no_leftover(tmp_path):
    names = {".results.json-notes", ".results.json-abcdefgh.txt", "results.json-abcdefgh.part", ".hidden"}
    for name in names:
        (tmp_path / name).write_text("mine")
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path, "results.json")
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_leftover_of_an_earlier_version_is_removed(tmp_path):
    (tmp_path / ".last.ckpt-ab_d3fgh").write_text("half")
    remove_leftovers(tmp_path, "last.ckpt")
    assert not list(tmp_path.iterdir())


def test_a_device_and_a_folder_are_not_replaced(tmp_path):
    for path in (Path(os.devnull), tmp_path):
        with pytest.raises(RunError, match="cannot be written: it is a folder, a device or a pipe"):
            write_atomically(path, "text")
    assert Path(os.devnull).is_char_device()


def test_a_file_beyond_the_limit_of_the_process_is_named_with_the_limit(tmp_path):
    path, (soft, hard) = tmp_path / "results.json", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_text("old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(RunError, match=r"results\.json cannot be written: File too large: .* at most 5,000 bytes"):
            write_atomically(path, "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]
    assert path.read_text() == "old"


def test_a_published_file_has_the_permissions_of_a_new_one(tmp_path):
    with (tmp_path / "part").open("wb") as file:
        os.chmod(file.name, 0o600)
        publish(file, tmp_path / "whole")
    (tmp_path / "other").touch()
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_full_temporary_folder_is_named(monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    monkeypatch.setenv("TMPDIR", "/full")
    with (
        pytest.raises(RunError, match=r"folder /full cannot be written: No space left .* TMPDIR=FOLDER"),
        temporary_folder("zoo-"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to count calls of the file system with")
def test_a_save_that_is_killed_at_any_call_of_the_file_system_leaves_the_old_or_the_new_checkpoint(tmp_path):
    library, folder = tmp_path / "count.so", tmp_path / "checkpoints"
    folder.mkdir()
    (tmp_path / "count.c").write_text(PRELOAD)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "count.c", "-ldl"], check=True)
    environ = os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
    settings = {"capture_output": True, "text": True, "cwd": folder, "env": environ, "timeout": 300}
    done = subprocess.run([sys.executable, "-c", SAVES], **settings)
    assert done.returncode == 0, done.stderr
    calls, left, *rest = done.stdout.split(maxsplit=2)
    assert int(calls) > 10
    assert int(left) > 5  # the process was killed with a temporary file there
    assert rest == ["True [0.0] [1.0]\n"]
