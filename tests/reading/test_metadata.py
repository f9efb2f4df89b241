import pandas as pd
import pytest

from repro.errors import UserError
from repro.reading.metadata import few, read_csv


def test_a_table_without_its_columns_is_refused(tmp_path):
    path = tmp_path / "metadata.csv"
    path.write_text(",split,y\n0,train,1\n")
    assert read_csv(path, ["split", "y"], index_col=0).to_dict("list") == {"split": ["train"], "y": [1]}
    with pytest.raises(UserError) as caught:
        read_csv(path, ["split", "location", "y", "filename"], index_col=0)
    assert caught.value.what == f"{path} lacks the columns location, filename" and caught.value.why == "it has split, y"


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "is not the published table"), (b"a,b\n1,2,3\n4\n5,6,7,8\n", "is not the published table"), (None, "cannot read")],
)
def test_what_is_no_table_is_refused(tmp_path, content, what):
    path = tmp_path / "metadata.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=what):
        read_csv(path, ["a"])


def test_few_takes_as_many_of_each_group_and_keeps_the_order():
    frame = pd.DataFrame({"split": ["a"] * 10 + ["b"] * 2, "y": [*range(10), 0, 1]}, index=range(5, 17))
    chosen = few(frame, ["split"], 4)
    assert chosen["split"].tolist() == ["a"] * 4 + ["b"] * 2 and chosen.index.is_monotonic_increasing
    assert few(frame, ["split"], 4).equals(chosen)
