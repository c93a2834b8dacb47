"""Every output appears whole, by the testimony of the file system: nobody ever sees half of one in its place."""

import pytest

from basics.writing import write_text
from watch import CREATE, MODIFY, MOVED_TO, Watch

pytestmark = pytest.mark.demo


def test_every_declared_output_is_moved_into_place_and_never_written_there(unbroken):
    outputs = unbroken.outputs()
    assert len(set(outputs.values())) > 30, "all stages are there"
    wrong = {
        f"{rule}: {path}": unbroken.events[path]
        for path, rule in outputs.items()
        if unbroken.events[path] != {MOVED_TO}
    }
    assert not wrong


def test_nothing_changes_in_a_folder_once_it_is_in_place(unbroken):
    folders = [path for path in unbroken.outputs() if (unbroken.results / path).is_dir()]
    assert len(folders) > 8
    assert not [path for path in unbroken.events if any(path.startswith(f"{folder}/") for folder in folders)]


def test_the_watch_sees_a_file_that_is_written_in_place(tmp_path):
    with Watch(tmp_path) as watch:
        (tmp_path / "in-place").write_text("text")
        write_text(tmp_path / "moved", "text")
    assert {MODIFY, CREATE} <= watch.events["in-place"]
    assert watch.events["moved"] == {MOVED_TO}
