"""An arrangement of a paper's table, and the paper's recipes, made up for tests."""

from __future__ import annotations

from pathlib import Path

TABLE = """
title = "x"
paper = "made-up"
row = [
  { title = "FT", method = "ft" },
  { title = "FT, again", method = "ft", settings = { optimizer = "adamw" } },
  { title = "LP", method = "lp" },
  { title = "Other", method = "lp", backbone = "timm:resnet18" },
  { title = "Ours", method = "no-such-method" },
  { title = "Few", method = "ft", settings = { shots = "4" } },
  { title = "Odd", method = "ft", settings = { optimizer = "lamb" } },
]
[[column]]
title = "ID"
benchmark = "digits"
split = "id_test"
[[column]]
title = "Few"
benchmark = "digits"
split = "id_test"
settings = { shots = "4" }
[[column]]
title = "Elsewhere"
benchmark = "no-such-benchmark"
split = "id_test"
[[column]]
title = "Average"
average = ["ID", "Elsewhere"]
"""
RECIPES = 'title = "x"\nbenchmark = "digits"\n[[paper]]\nname = "made-up"\n' + "".join(
    f'[[row]]\npaper = "made-up"\nmethod = "{method}"\nsource = "x"\n' for method in ("ft", "lp")
)


def write(folder: Path, monkeypatch) -> Path:
    """`tables/made-up/main.toml` in `folder`, which the program takes its tables from."""
    for module in ("arrangement", "reported", "rows"):
        monkeypatch.setattr(f"repro.papers.{module}.tables_dir", lambda: folder)
    path = folder / "made-up" / "main.toml"
    path.parent.mkdir()
    path.write_text(TABLE)
    (path.parent / "paper.toml").write_text('title = "x"\nauthors = "y"\nyear = 2022\nvenue = "z"\n')
    (path.parent / "reported.csv").write_text(
        "table,benchmark,split,metric,method,settings,backbone,value,spread,spread_kind,seeds,confidence,source,words\n"
        "main,digits,id_test,accuracy,lp,,digits-clip,77.0,,,,verified,made up,a | b\n"
    )
    return path


def write_recipes(path: Path) -> Path:
    """The paper's recipes for digits, beside the table in `path`."""
    (path.parent.parent / "digits.toml").write_text(RECIPES)
    return path
