"""`repro data`: datasets and checkpoints, fetched, brought, checked, carried and removed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.cli.context import complete_benchmark, complete_manifest, places
from repro.cli.options import AsJson
from repro.data.amounts import size
from repro.errors import UserError, quoted

if TYPE_CHECKING:
    from repro.data.holdings import State

app = typer.Typer(no_args_is_help=False, rich_markup_mode=None, help="Datasets and checkpoints: list, fetch, verify, add, carry, remove.")

Name = Annotated[str, typer.Argument(help="A name of repro data list.", autocompletion=complete_manifest)]
Names = Annotated[list[str], typer.Argument(help="Names of repro data list.", autocompletion=complete_manifest)]


@app.command("list")
def list_(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Tell all about these.", autocompletion=complete_manifest)] = None,
    as_json: AsJson = False,
) -> None:
    """List datasets and checkpoints: size, access, here or not, licence; with names, everything known of them."""
    from repro.cli import holding
    from repro.data import manifest as manifests
    from repro.data.holdings import state

    where = places(context)
    held = [(found, state(found, where)) for found in map(manifests.load, names or manifests.names())]
    if as_json:
        print(json.dumps([holding.as_json(*pair) for pair in held], indent=1))
        return
    print("\n".join(line for pair in held for line in holding.detail(*pair)) if names else "\n".join(holding.listing(held)))


@app.command("fetch")
def fetch(
    context: typer.Context,
    names: Names,
    mirror: Annotated[
        str | None, typer.Option("--mirror", help="Ask only this: an address, a folder's address ending in /, or a known host.")
    ] = None,
    optional: Annotated[list[str] | None, typer.Option("--with", help="An optional file to take too (repro data list NAME).")] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Of a checkpoint family, only this file.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Hash what is here too, and fetch again what is damaged.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print licence, size and disk needed, and stop.")] = False,
) -> None:
    """Fetch datasets and checkpoints with all they require: verified, unpacked, counted. The same command continues after a stop."""
    from repro.cli import holding
    from repro.cli.transferring import Transfers
    from repro.data.holdings import disk_needed, ensure, needed, state
    from repro.data.wanted import options_for
    from repro.paths import free_space

    where, chosen = places(context), needed(names)
    options = options_for([found for found in chosen if found.name in names], optional or (), only or ())
    plans = [(found, state(found, where, **options.get(found.name, {})), options.get(found.name, {})) for found in chosen]
    disk = {found.name: disk_needed(found, where, **option) for found, _, option in plans}
    for found, now, _ in plans:
        print("\n".join(holding.cost(found, now, disk[found.name])))
    if any(not now.complete for _, now, _ in plans):
        needed_in_all = holding.room(sum(disk.values()), sum(now.unsized for _, now, _ in plans))
        print(f"disk needed: {needed_in_all}; free where {where.data} is: {size(free_space(where.data))}", flush=True)
    if dry_run:
        return
    total = None if any(now.unsized for _, now, _ in plans) else sum(now.bytes_to_fetch or 0 for _, now, _ in plans)
    with Transfers(total) as shown:
        for found, _, option in plans:
            told = {"mirror": mirror} if found.name in names else {}
            root = ensure(found, where, check="full" if full else "quick", on_progress=shown.report, **told, **option)
            print(f"{found.name}: {state(found, where, **option).detail}, in {root}", flush=True)


@app.command("verify")
def verify(
    context: typer.Context,
    names: Names,
    full: Annotated[bool, typer.Option("--full", help="Read every file again and compare its hash.")] = False,
) -> None:
    """Check what is here: files by size, examples by count; exit code 1 where something is wrong."""
    from repro.data import manifest as manifests
    from repro.data.verify import verify

    wrong = []
    for name, manifest in [(name, manifests.load(name)) for name in names]:
        found = verify(manifest, places(context), full=full)
        for check in found.files:
            print(f"{'ok' if check.ok else 'wrong':<9} {check.name}: {check.detail}")
        for finding in found.findings:
            print(f"{finding.state:<9} {finding.sentence()}")
        if not found.ok:
            wrong.append(f"{name} is not as it should be\n  try: {found.cure}")
    if wrong:
        typer.echo("\n".join(wrong), err=True)
        raise typer.Exit(1)


@app.command("add")
def add(
    context: typer.Context, name: Name, path: Annotated[Path, typer.Argument(help="A file, a folder of archives, or an unpacked tree.")]
) -> None:
    """Take in what you have already: it is verified and linked, never copied or changed."""
    from repro.cli.transferring import Transfers
    from repro.data import manifest as manifests
    from repro.data.adopt import adopt

    with Transfers() as shown:
        adopted = adopt(manifests.load(name), path, places(context), shown.report)
    print(f"linked {', '.join(adopted.linked)}")
    _tell(name, adopted.state)


@app.command("convert")
def convert(context: typer.Context, name: Name, path: Annotated[Path, typer.Argument(help="The folder with the copy's shards.")]) -> None:
    """Bring a copy in another packing (parquet, webdataset) to the official layout."""
    from repro.cli.transferring import Transfers
    from repro.data import manifest as manifests
    from repro.data.adopt import adopt_conversion

    with Transfers() as shown:
        conversions, now = adopt_conversion(manifests.load(name), path, places(context), shown.report)
    for done in conversions:
        counted = ", ".join(f"{split} {count:,}" for split, count in done.examples.items())
        print(f"wrote {done.folder}: {counted}; {done.encoded_anew:,} images encoded anew, without loss")
    _tell(name, now)


def _tell(name: str, now: State) -> None:
    print(f"{name}: {now.detail}" + (f"\n  missing: {', '.join(now.missing)}" if now.missing else ""))
    if now.cure:
        print(f"  try: {now.cure}")


@app.command("tiny")
def tiny(
    context: typer.Context,
    benchmark: Annotated[str, typer.Argument(help="Name of a benchmark (repro list benchmarks).", autocompletion=complete_benchmark)],
    source: Annotated[
        Path | None, typer.Option("--from", help="Your full copy: a data set's folder, or one that holds several; default: what repro has.")
    ] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Write synthetic images instead, as repro run --tiny does.")] = False,
) -> None:
    """Make the tiny subset that repro run BENCHMARK --tiny uses: a real one, out of a full copy in the official layout."""
    from repro.reading import tiny as subsets

    at = places(context)
    if synthetic and source:
        raise UserError(
            "--synthetic and --from were both given",
            "one draws images, the other takes yours",
            f"repro data tiny {benchmark} --from {quoted(source)}",
        )
    folders = subsets.data_sets(benchmark, at) if synthetic else subsets.sources(benchmark, source, at)
    for name, folder in folders.items():
        made = subsets.take(name, None if synthetic else folder, at)
        print(f"{name}: {made.files} files in {made.folder}, {'synthetic' if synthetic else f'out of {folder}'}")


@app.command("where")
def where(context: typer.Context, name: Name) -> None:
    """Print the folder of a dataset; exit code 1 where it is not complete."""
    from repro.data import manifest as manifests
    from repro.data.holdings import root_of, state

    found, at = manifests.load(name), places(context)
    now = state(found, at)
    print(root_of(name, at))
    if not now.complete:
        typer.echo(f"{name}: {now.detail}\n  try: {now.cure}", err=True)
        raise typer.Exit(1)


@app.command("remove")
def remove(context: typer.Context, name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove a dataset's own folder; what was added by link stays where it is."""
    from repro.data import manifest as manifests
    from repro.data.remove import removable, remove

    at = places(context)
    root, files, held = removable(manifests.load(name).name, at)
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"{root} was not removed", "there is no one to ask", f"repro data remove {name} --yes")
        typer.confirm(f"remove {root} ({files:,} files, {size(held)})?", abort=True)
    files, held = remove(name, at)
    print(f"removed {root}: {files:,} files, {size(held)}")


@app.command("export")
def export(context: typer.Context, names: Names, target: Annotated[Path, typer.Option("--to", help="The tar to write.")]) -> None:
    """Write datasets to one file for a machine without network: repro data import takes it in there."""
    from repro.cli.transferring import Transfers
    from repro.data.bundle import export

    with Transfers() as shown:
        listing = export(names, places(context), target, shown.report)
    files = [receipt for receipts in listing.datasets.values() for receipt in receipts.values()]
    print(f"wrote {target}: {', '.join(listing.datasets)}; {len(files)} files, {size(sum(receipt.bytes for receipt in files))}")


@app.command("import")
def import_(context: typer.Context, bundle: Annotated[Path, typer.Argument(help="A file that repro data export wrote.")]) -> None:
    """Take in a bundle: every file is checked by hash, then unpacked and counted as after a fetch."""
    from repro.cli.transferring import Transfers
    from repro.data import manifest as manifests
    from repro.data.bundle import import_
    from repro.data.holdings import state

    at = places(context)
    with Transfers() as shown:
        names = import_(bundle, at, shown.report)
    for name in names:
        _tell(name, state(manifests.load(name), at))
