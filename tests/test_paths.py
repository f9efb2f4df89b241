"""Where things live: option, then environment variable, then config file, then the platform's default."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs
import pytest

from repro import paths
from repro.errors import UserError
from repro.paths import PLACES, Places


@pytest.fixture
def config(tmp_path):
    return tmp_path / "config.toml"


def test_the_default_is_the_platforms_data_folder(monkeypatch):
    monkeypatch.delenv("REPRO_HOME")
    places = Places.find()
    assert places.home == Path(platformdirs.user_data_dir("repro", appauthor=False))
    assert places.runs == places.home / "runs"
    assert set(places.sources.values()) == {"default"}


def test_each_place_follows_home_where_nothing_else_names_it(tmp_path):
    places = Places.find()
    assert [getattr(places, place) for place in PLACES] == [tmp_path / "home" / part for part in ("", "data", "packs", "runs")]
    assert set(places.sources.values()) == {"REPRO_HOME"}


@pytest.mark.parametrize("place", PLACES)
def test_option_before_environment_before_config(place, config, tmp_path, monkeypatch):
    variable = f"REPRO_{place.upper()}"
    monkeypatch.delenv(variable, raising=False)
    config.write_text(f'{place} = "{tmp_path}/from-config"')
    assert getattr(Places.find(), place) == tmp_path / "from-config"
    assert Places.find().sources[place] == str(config)
    monkeypatch.setenv(variable, str(tmp_path / "from-environment"))
    assert getattr(Places.find(), place) == tmp_path / "from-environment"
    assert Places.find().sources[place] == variable
    assert getattr(Places.find(**{place: tmp_path / "from-option"}), place) == tmp_path / "from-option"
    assert Places.find(**{place: "x"}).sources[place] == f"--{place}"


def test_one_place_alone_can_be_moved(tmp_path):
    places = Places.find(runs=tmp_path / "elsewhere")
    assert (places.runs, places.data) == (tmp_path / "elsewhere", tmp_path / "home" / "data")


def test_a_relative_option_is_below_the_working_folder_and_one_of_the_config_beside_it(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config.write_text('packs = "of-config"')
    places = Places.find(runs="of-option")
    assert places.runs == tmp_path / "of-option"
    assert places.packs == tmp_path / "of-config"


def test_a_tilde_is_the_users_home(config, monkeypatch):
    config.write_text('packs = "~/packs"')
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("REPRO_DATA", "~/data")
    places = Places.find(runs="~/runs")
    assert (places.runs, places.data, places.packs) == (Path("/somewhere/runs"), Path("/somewhere/data"), Path("/somewhere/packs"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'runs = "unfinished', "Unterminated|Illegal|Expected"),
        (b"\xff\xfe", "codec"),
        (b'rums = "/x"', "did you mean 'runs'"),
        (b'colour = "red"', "home, data, packs, runs"),
        (b"runs = 3", "a path in quotes"),
        (b'[runs]\npath = "/x"', "a path in quotes"),
    ],
)
def test_a_broken_config_is_named(config, content, why):
    config.write_bytes(content)
    with pytest.raises(UserError, match=r"config\.toml") as caught:
        Places.find()
    assert re.search(why, caught.value.why), caught.value.why
    assert str(config) in caught.value.cure


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs /proc/self/mem, which even root cannot read")
def test_a_config_that_cannot_be_read_is_named(monkeypatch):
    monkeypatch.setenv("REPRO_CONFIG", "/proc/self/mem")
    with pytest.raises(UserError, match="cannot read the config file /proc/self/mem"):
        Places.find()


def test_the_shipped_folders_are_those_of_the_checkout():
    top = Path(paths.__file__).resolve().parent.parent
    assert paths.tables_dir() == top / "tables"
    assert paths.manifests_dir() == top / "data_manifests"


def test_make_writable_creates_the_folder_and_leaves_nothing_in_it(tmp_path):
    folder = tmp_path / "a" / "b"
    assert paths.make_writable(folder, "runs") == folder
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_names_the_option_that_moves_it(tmp_path):
    (tmp_path / "file").touch()
    for blocked in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=f"cannot write to the packs folder {blocked}") as caught:
            paths.make_writable(blocked, "packs")
        assert "--packs DIR" in caught.value.cure and "REPRO_PACKS" in caught.value.cure


@pytest.mark.skipif(not Path("/proc").is_dir() or os.name != "posix", reason="needs /proc, which refuses even root a file")
def test_a_file_system_that_refuses_to_make_files():
    with pytest.raises(UserError, match="cannot write to the runs folder"):
        paths.make_writable(Path("/proc/repro-test"), "runs")


@pytest.mark.parametrize("place", ["home", "data", "packs", "runs"])
def test_a_folder_whose_name_is_no_text_is_told_before_anything_is_run(tmp_path, place):
    named = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    with pytest.raises(UserError, match=f"the {place} folder .* has a name that is no text") as caught:
        Places.find(**{"home": tmp_path, place: named})
    assert caught.value.cure.endswith(f"--{place} DIR")
    assert Places.find(home=tmp_path / "Über mein Haus").runs == tmp_path / "Über mein Haus" / "runs"
