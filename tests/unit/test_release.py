"""CITATION.cff and CHANGELOG.md name the same version, and the commands of CONTRIBUTING.md find its notes."""

import re
import subprocess
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
CHANGELOG = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
CITATION = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
SECTIONS = re.findall(r"^## \[(.+)\](?: - (\d{4}-\d\d-\d\d))?$", CHANGELOG, flags=re.MULTILINE)


def test_what_is_not_released_is_the_first_section_and_each_section_after_it_is_a_version_with_a_day():
    assert SECTIONS[0] == ("Unreleased", "")
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) and day for version, day in SECTIONS[1:])


def test_the_version_to_cite_is_the_last_one_released_with_its_day_or_else_the_one_being_prepared():
    cited = CITATION["version"], str(CITATION.get("date-released", ""))
    prepared = re.search(r"^## \[Unreleased\]\n\nThis will be (\d+\.\d+\.\d+)\b", CHANGELOG, flags=re.MULTILINE)
    assert cited in [*SECTIONS[1:2], *([(prepared[1], "")] if prepared else [])]


def test_a_section_has_each_heading_once():
    for section in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        headings = re.findall(r"^### (.+)$", section, flags=re.MULTILINE)
        assert len(headings) == len(set(headings)), section.splitlines()[0]


def test_the_notes_of_a_release_are_its_section_of_the_changelog(tmp_path):
    page = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    version, notes = (
        line.strip() for line in page.splitlines() if re.match(r" +(VERSION=|sed -n .* CHANGELOG.md)", line)
    )
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 0.2.0\n")
    sections = [
        "## [Unreleased]",
        "- new",
        "## [0.2.0] - 2027-02-01",
        "### Added\n\n- this",
        "## [0.1.0] - 2027-01-01",
        "- old",
    ]
    (tmp_path / "CHANGELOG.md").write_text("\n\n".join(["# Changelog", *sections]) + "\n")
    print_notes = notes.split(" > ")[0]
    made = subprocess.run(["bash", "-c", f"{version}\n{print_notes}"], cwd=tmp_path, capture_output=True, text=True)
    assert made.stdout.strip() == "### Added\n\n- this", made.stderr
