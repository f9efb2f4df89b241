"""Who may import whom: the table of the design, kept."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time

import pytest
from imported import PACKAGE, Import, _walk, imports, modules

from repro import plugins

MODULES = modules()
HEAVY = {"torch", "torchvision", "open_clip", "timm", "wilds", "safetensors", "transformers"}
SCREEN = {"rich", "typer", "click"}
SLOW = {"optuna", "pandas", "scipy", "sklearn", "matplotlib", "PIL", "pyarrow", "h5py"}  # inside functions only, where no network is needed
PYDANTIC = {"pydantic", "pydantic_core", "annotated_types"}


def layer(name: str) -> str:
    """Where a module belongs. What is not named otherwise at the top is a record-keeper: stdlib, pydantic, numpy, never torch."""
    parts = name.split(".")
    if len(parts) > 1 and parts[1] in ("nn", "benchmarks", "methods", "cli", "launch", "data"):
        return parts[1]
    if "formats" in parts:
        return "screen"
    return {
        **dict.fromkeys(("types", "settings", "record", "errors", "paths"), "ground"),
        **dict.fromkeys(("run", "work", "ranks", "features"), "run"),
        **dict.fromkeys(("render", "panels", "plots", "report", "report_figures", "provenance"), "screen"),
        "__main__": "cli",
    }.get(parts[-1], "records")


LAYERS = {name: layer(name) for name in MODULES}


def outside(found: Import) -> str | None:
    """The package that an import brings in from outside, None for the standard library and repro itself."""
    package = found.module.split(".")[0]
    return None if package in sys.stdlib_module_names or package in ("repro", "__future__") else package


def inside(found: Import) -> str | None:
    """The module of repro that an import names."""
    return found.module if found.module in MODULES else None


def broken(rule) -> list[str]:
    """`rule(module, import)` says what is wrong, or nothing."""
    return [
        f"{path.relative_to(PACKAGE.parent)}:{found.line}: {name} imports {found.module}: {why}"
        for name, path in MODULES.items()
        for found in imports(path)
        if found.where != "typing" and (why := rule(name, found))
    ]


def test_every_module_is_seen_and_has_its_layer():
    assert len(MODULES) >= 48
    assert len(MODULES) == len(list(PACKAGE.rglob("*.py")))
    counted = {kind: sum(1 for name in LAYERS.values() if name == kind) for kind in set(LAYERS.values())}
    least = {"ground": 3, "data": 20, "records": 15, "nn": 14, "cli": 9, "run": 2, "launch": 6, "screen": 3}
    assert {kind: number for kind, number in least.items() if counted.get(kind, 0) < number} == {}
    for kind in ("benchmarks", "methods"):
        assert counted[kind] == len(plugins.names(kind)) + 1, "each plug-in and the package"


def test_the_walk_sees_every_kind_of_import():
    source = """
import a, b.c
from d import e
if TYPE_CHECKING:
    import f
class C:
    import g
    def method(self):
        if x:
            import h
try:
    import i
except ImportError:
    pass
"""
    found = {(entry.module, entry.where) for entry in _walk(ast.parse(source), "top")}
    assert found == {
        *((name, "top") for name in ("a", "b.c", "d", "d.e", "g", "i")),
        ("f", "typing"),
        ("h", "function"),
    }


def test_torch_is_only_in_nn_methods_functions_and_run():
    def rule(name: str, found: Import) -> str | None:
        if outside(found) not in HEAVY or LAYERS[name] in ("nn", "run", "launch"):
            return None
        if LAYERS[name] in ("methods", "benchmarks") and found.where == "function":
            return None
        return "networks live in repro.nn"

    assert broken(rule) == []


def test_the_screen_is_only_in_render_and_cli():
    assert broken(lambda name, found: outside(found) in SCREEN and LAYERS[name] not in ("cli", "screen") and "not its layer") == []


def test_the_ground_needs_nothing_but_pydantic():
    def rule(name: str, found: Import) -> str | None:
        if LAYERS[name] != "ground":
            return None
        if inside(found) and LAYERS[found.module] != "ground" and found.module != "repro":
            return "the ground imports only itself"
        return "only pydantic" if outside(found) not in {None, "platformdirs", *PYDANTIC} else None

    assert broken(rule) == []


def test_nothing_slow_is_imported_at_the_top_of_what_the_command_line_needs():
    def rule(name: str, found: Import) -> str | None:
        light = LAYERS[name] not in ("nn", "run", "launch")
        return "inside a function, please" if light and found.where == "top" and outside(found) in SLOW else None

    assert broken(rule) == []


# importer's layer → what it may import of repro's other layers, at the top and anywhere
MAY = {
    "ground": {"ground"},
    "data": {"ground", "data"},
    "records": {"ground", "data", "records"},
    "nn": {"ground", "records", "nn"},
    "benchmarks": {"ground", "data", "records"},
    "methods": {"ground"},
    "run": {"ground", "records", "nn", "run"},
    "launch": {"ground", "data", "records", "run", "launch"},
    "screen": {"ground", "records", "screen"},
    "cli": {"ground", "data", "records", "screen", "cli"},
}
MAY_INSIDE_FUNCTIONS = {"benchmarks": {"nn"}, "methods": {"nn", "records"}, "cli": {"run", "launch"}}


def test_each_layer_imports_only_those_below_it():
    def rule(name: str, found: Import) -> str | None:
        target = inside(found)
        if target is None or target == "repro":
            return None
        own, other = LAYERS[name], LAYERS[target]
        allowed = MAY[own] | (MAY_INSIDE_FUNCTIONS.get(own, set()) if found.where == "function" else set())
        return None if other in allowed or (own == other and target == f"repro.{own}") else f"{own} may not import {other} ({found.where})"

    assert broken(rule) == []


# room of nn → what its modules may import of nn beside each other
ROOMS = {
    "inputs": {"allocator", "seeding"},
    "networks": {"inputs"},
    "objectives": {"allocator", "networks", "job", "evaluate"},
    "training": {"allocator", "inputs", "networks", "objectives", "job", "evaluate", "fitting", "seeding", "together"},
    "probes": {"inputs", "networks", "job", "evaluate"},
}


def test_each_room_of_nn_imports_only_those_below_it():
    def rule(name: str, found: Import) -> str | None:
        room = name.split(".")[2] if name.startswith("repro.nn.") else None
        if room not in ROOMS or not found.module.startswith("repro.nn."):
            return None
        other = found.module.split(".")[2]
        return None if other in ROOMS[room] | {room} else f"nn/{room} may not import nn's {other}"

    assert broken(rule) == []
    assert {room for room in ROOMS if sum(name.startswith(f"repro.nn.{room}.") for name in MODULES) >= 3} == set(ROOMS)


@pytest.mark.parametrize("kind", ["benchmarks", "methods"])
def test_plugins_never_import_each_other(kind):
    def rule(name: str, found: Import) -> str | None:
        return "parents are named, not imported" if LAYERS[name] == kind and found.module.startswith(f"repro.{kind}.") else None

    assert broken(rule) == []
    assert sum(LAYERS[name] == kind for name in MODULES) >= 3


def test_methods_import_only_records_at_the_top():
    """A method is imported to list it, so at the top there is only what its declaration needs."""
    tops = {
        found.module.rpartition(".")[0] if found.module.startswith(("repro.types.", "repro.settings.", "repro.record.")) else found.module
        for name, path in MODULES.items()
        if LAYERS[name] == "methods"
        for found in imports(path)
        if found.where == "top"
    }
    assert {module for module in tops if module.startswith("repro")} <= {
        "repro.types",
        "repro.settings",
        "repro.record",
        "repro.errors",
        "repro.errors.UserError",
    }


# what the command line really imports

COMMANDS = {
    "repro": (),
    "repro --help": ("--help",),
    "repro list": ("list",),
    "repro coverage": ("coverage",),
    "repro table": ("table",),
    "repro table lp-ft/2": ("table", "lp-ft/2"),
    "repro show": ("show",),
    "repro status": ("status",),
    "repro show CELL": ("show", "lp-ft/2:lp-ft:STL"),
    "repro run digits --dry-run": ("run", "digits", "--dry-run"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_light_command_never_imports_what_is_heavy(command, tmp_path, capsys):
    script = f"""
import sys
from repro.cli import main
try:
    main({list(COMMANDS[command])!r})
except SystemExit as stop:
    code = stop.code
print("MODULES", code, *{{name.split(".")[0] for name in sys.modules}})
"""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=PACKAGE.parent, env={**os.environ, "REPRO_HOME": str(tmp_path)}
    )
    with capsys.disabled():
        print(f"\n  {command}: {time.perf_counter() - began:.2f} s", end="")
    code, *loaded = done.stdout.splitlines()[-1].removeprefix("MODULES ").split()
    assert code == ("2" if command == "repro table" else "0"), done.stderr  # there are no results yet
    assert "repro" in loaded
    assert set(loaded) & (HEAVY | {"optuna", "pandas", "scipy", "sklearn"}) == set()


LOOKING = {  # command → its words, and what it says
    "repro table": (("table",), "fabricated for a test"),
    "repro report": (("report",), "report.html: papers' tables 0, benchmarks' tables 1, runs 1"),
    "repro show KEY": (("show", "KEY"), "fabricated for a test"),
    "repro diff": (("diff", "KEY", "KEY"), "both are the same run"),
    "repro rerun": (("rerun", "KEY"), "would repeat scratch seed 0"),
}


@pytest.mark.parametrize("command", LOOKING)
def test_looking_at_results_never_imports_what_is_heavy(command, tmp_path):
    script = f"""
import sys
import fabricated
from pathlib import Path
from repro import backbones
from repro.outcomes.store import Store
from repro.cli import main
store = Store(Path(sys.argv[1]) / "runs")
run = fabricated.run("scratch", of=fabricated.of_digits())
network = run.backbone.model_copy(update={{"definition": backbones.definition(backbones.find("digits-clip"))}})
run = run.model_copy(update={{"backbone": network}})
store.finish(store.claim(run), fabricated.result(run))
try:
    main([run.key if word == "KEY" else word for word in {LOOKING[command][0]!r}])
except SystemExit as stop:
    assert stop.code == 0
print("MODULES", *{{name.split(".")[0] for name in sys.modules}})
"""
    path = os.pathsep.join([str(PACKAGE.parent), str(PACKAGE.parent / "tests")])
    environment = {**os.environ, "REPRO_HOME": str(tmp_path), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True
    )
    assert LOOKING[command][1] in done.stdout
    assert set(done.stdout.splitlines()[-1].split()) & (HEAVY | {"optuna", "pandas", "scipy", "sklearn"}) == set()
