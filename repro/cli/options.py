"""The options of `repro run`, and those that several commands have in common: as they are spelled, and what `--help` says of them.

Each is the type of a command's parameter; its default stands there.
"""

from typing import Annotated

import typer

from repro.cli.context import complete_backbone, complete_benchmark, complete_field, complete_method, complete_table

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

# what is run
Benchmark = Annotated[str | None, typer.Argument(help="Name of a benchmark (repro list benchmarks).", autocompletion=complete_benchmark)]
Table = Annotated[
    str | None, typer.Option("--table", help="A paper's table (repro list tables): run what it lacks.", autocompletion=complete_table)
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        "-m",
        help="Methods, by commas or repeated; all; default: the paper's, else the benchmark's own.",
        autocompletion=complete_method,
    ),
]
Seeds = Annotated[
    str | None, typer.Option("--seeds", help="How many (3: seeds 0, 1, 2) or which (0,4); default: as many as the paper has, else 3.")
]
Backbone = Annotated[
    str | None, typer.Option("--backbone", help="A backbone's name, or FAMILY:NAME[,key=value].", autocompletion=complete_backbone)
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        help="Pretrained weights: safetensors, a torch checkpoint, an archive of OpenAI's CLIP, or what timm reads (npz); "
        "of one of a table's networks BACKBONE=FILE; random: none, on purpose.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="[METHOD.]FIELD=VALUE; several values by commas are a sweep.", autocompletion=complete_field),
]
Paper = Annotated[str | None, typer.Option("--paper", help="Whose recipes, where several papers use the benchmark; default: the first's.")]
Quick = Annotated[bool, typer.Option("--quick", help="The recorded winners instead of the papers' grids.")]
AsReleased = Annotated[bool, typer.Option("--as-released", help="As the authors' code has it, where it departs from their text.")]
Tiny = Annotated[bool, typer.Option("--tiny", help="A tiny subset, to check that everything works.")]

# on what: options of the benchmarks that take some
Root = Annotated[str | None, typer.Option("--root", help="folder: where <domain>/<class>/<image> lie; light-curves: <domain>.jsonl.")]
IdDomain = Annotated[str | None, typer.Option("--id", help="folder, light-curves: the domain to train on.")]
OodDomains = Annotated[
    str | None, typer.Option("--ood", help="The OOD splits wanted, by commas (folder, light-curves: domains; cifar10.1, imagenet).")
]
OodValidation = Annotated[
    str | None, typer.Option("--ood-val", help="folder, light-curves: the domain to validate on out of distribution.")
]

# where and how
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:1.")]
Workers = Annotated[
    str | None,
    typer.Option("--workers", help="Processes that share the runs: a number, or auto: one per GPU or core, more where they fit."),
]
Slurm = Annotated[bool, typer.Option("--slurm", help="Queue workers with Slurm and return (repro status watches them).")]
Partition = Annotated[str | None, typer.Option("--partition", help="Slurm: its partition.")]
Gpus = Annotated[int | None, typer.Option("--gpus", help="Slurm: GPUs of each task of the array, a worker on each.")]
Time = Annotated[
    str | None, typer.Option("--time", help="Slurm: the limit of each task, 4:00:00; what it does not finish is queued again.")
]
ArrayLimit = Annotated[int | None, typer.Option("--array-limit", help="Slurm: tasks that may run at the same time.")]
SetSlurm = Annotated[list[str] | None, typer.Option("--set-slurm", help="Slurm: KEY=VALUE, as sbatch --KEY=VALUE.")]
Fetch = Annotated[bool, typer.Option("--fetch", help="Fetch the datasets and weights that are missing (repro data list).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
AsJsonOfRun = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
