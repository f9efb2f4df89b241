"""A path that the schema accepts stays below any root, on any platform."""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from repro.data import manifest
from repro.data.fields import SafePath, Url, without_password

path = TypeAdapter(SafePath)
url = TypeAdapter(Url)


@given(st.text(st.sampled_from("a./\\:C~ \x00\n\x7f\u2028é"), max_size=8))
def test_an_accepted_path_stays_below_the_root(text):
    try:
        accepted = path.validate_python(text)
    except ValidationError:
        return
    assert posixpath.normpath(posixpath.join("/root", accepted)) == f"/root/{accepted}"
    assert PurePosixPath("/root", accepted).parts[:2] == ("/", "root")
    windows = PureWindowsPath("D:/root", accepted)
    assert windows.parts[:2] == ("D:\\", "root") and ".." not in windows.parts
    assert accepted.isprintable()


@pytest.mark.parametrize("good", ["a", "a/b.tar.gz", "a b/c", "ImageNet-C/gaussian_noise/5", "train/*/*.JPEG", "..a/b..", "ab:c"])
def test_ordinary_paths_are_accepted(good):
    assert path.validate_python(good) == good


BAD = ["", "ftp://a.b/c", "file:///a", "//a.b/c", "a.b/c", "https://", "http:/a", "https://a.b/c d", "https://a.b/\n", "https://[a"]
BAD += ["https://a.b:x/c", "https://a.b:65536/c"]


@pytest.mark.parametrize("bad", BAD)
def test_addresses_that_are_none_are_refused(bad):
    with pytest.raises(ValidationError):
        url.validate_python(bad)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://me:s3cret@a.b/x?raw=true", "https://a.b/x?raw=true"),
        ("https://a.b/x?token=s3cret", "https://a.b/x?token=…"),
        ("https://a.b/x?id=1&access_token=s3cret&confirm=t", "https://a.b/x?id=1&access_token=…&confirm=t"),
        (
            "https://a.b/x?X-Amz-Credential=s3cret&X-Amz-Date=1&X-Amz-Signature=s3cret#1",
            "https://a.b/x?X-Amz-Credential=…&X-Amz-Date=1&X-Amz-Signature=…#1",
        ),
        ("https://a.b/x?sv=1&SIG=s3cret&apikey=s3cret", "https://a.b/x?sv=1&SIG=…&apikey=…"),
        ("https://a.b/token=/x", "https://a.b/token=/x"),
    ],
)
def test_secrets_in_an_address_are_neither_shown_nor_kept(address, kept):
    assert without_password(address) == kept


def test_addresses_of_the_manifests_are_kept_as_they_are():
    known = [mirror.url for name in manifest.names() for file in manifest.load(name).files for mirror in file.mirrors]
    assert len(known) > 100 and [without_password(address) for address in known] == known
