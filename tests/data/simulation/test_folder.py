import pytest

from strandwise.data.simulation.folder import MARKER, simulation_folder
from strandwise.errors import InputError, OutputError


def write(folder, text, overwrite=False, made_by="test"):
    with simulation_folder(folder, made_by, {"seed": 1}, overwrite) as temporary:
        (temporary / "file.txt").write_text(text)


def test_folder_appears_whole_with_its_marker(tmp_path):
    write(tmp_path / "deep" / "sim", "one")
    assert sorted(entry.name for entry in (tmp_path / "deep").iterdir()) == ["sim"]
    assert (tmp_path / "deep" / "sim" / "file.txt").read_text() == "one"
    assert '"made_by": "test"' in (tmp_path / "deep" / "sim" / MARKER).read_text()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_call_leaves_things_as_they_were(tmp_path, stop):
    def interrupted(folder, overwrite):
        with simulation_folder(folder, "test", {}, overwrite) as temporary:
            (temporary / "half.txt").write_text("half")
            raise stop

    with pytest.raises(stop):
        interrupted(tmp_path / "sim", False)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "sim", "old")
    with pytest.raises(stop):
        interrupted(tmp_path / "sim", True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["sim"]
    assert (tmp_path / "sim" / "file.txt").read_text() == "old"


def test_overwrite_replaces_the_whole_folder(tmp_path):
    write(tmp_path / "sim", "old")
    (tmp_path / "sim" / "left.txt").write_text("left")
    with pytest.raises(InputError, match="exists already"):
        write(tmp_path / "sim", "new")
    write(tmp_path / "sim", "new", overwrite=True)
    assert sorted(entry.name for entry in (tmp_path / "sim").iterdir()) == ["file.txt", MARKER]
    assert [entry.name for entry in tmp_path.iterdir()] == ["sim"]


@pytest.mark.parametrize("marker", [None, "not json", "[]", '{"made_by": "somebody"}'])
def test_overwrite_spares_what_another_wrote(tmp_path, marker):
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.txt").write_text("precious")
    if marker is not None:
        (mine / MARKER).write_text(marker)
    with pytest.raises(InputError, match="was not written by 'test'"):
        write(mine, "new", overwrite=True)
    assert (mine / "chapter.txt").read_text() == "precious"


def test_a_file_in_the_way_is_spared_as_well(tmp_path):
    (tmp_path / "sim").write_text("a file")
    with pytest.raises(InputError, match="was not written by"):
        write(tmp_path / "sim", "new", overwrite=True)
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "sim" / "below", "new")
