"""The checksums of a folder: they change when its content does, and only then."""

import os
import subprocess
import sys
from pathlib import Path

from tiny import SCRIPTS


def checksums(folder: Path, output: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPTS / "checksums.py", "--folder", folder, "--output", output]
    return subprocess.run(command, capture_output=True, text=True)


def folder_in(place: Path) -> Path:
    folder = place / "tokens"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "data.arrow").write_bytes(b"rows")
    (folder / "counts.json").write_text("{}")
    return folder


def test_sha256sum_reads_them(tmp_path):
    folder = folder_in(tmp_path)
    assert checksums(folder, tmp_path / "tokens.sha256").returncode == 0
    subprocess.run(["sha256sum", "--check", "--strict", tmp_path / "tokens.sha256"], cwd=folder, check=True)
    (folder / "counts.json").write_text("{ }")
    assert subprocess.run(["sha256sum", "--check", tmp_path / "tokens.sha256"], cwd=folder).returncode == 1


def test_dates_and_snakemakes_own_file_do_not_count(tmp_path):
    folder = folder_in(tmp_path)
    checksums(folder, tmp_path / "before")
    (folder / ".snakemake_timestamp").touch()
    os.utime(folder / "counts.json", (0, 0))
    checksums(folder, tmp_path / "after")
    assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()


def test_a_renamed_file_counts(tmp_path):
    folder = folder_in(tmp_path)
    checksums(folder, tmp_path / "before")
    (folder / "counts.json").rename(folder / "count.json")
    checksums(folder, tmp_path / "after")
    assert (tmp_path / "after").read_bytes() != (tmp_path / "before").read_bytes()


def test_a_missing_folder_is_named(tmp_path):
    ended = checksums(tmp_path / "tokens", tmp_path / "tokens.sha256")
    assert (ended.returncode, ended.stderr) == (1, f"error: {tmp_path}/tokens: no such folder; make it first\n")
    assert not (tmp_path / "tokens.sha256").exists()
