"""The commands, each in a module that is loaded only when it is called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="clemd",
    help="Lays electron microscope images on light microscope maps.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
State = Annotated[
    Path | None,
    typer.Option("--state", envvar="CLEMD_STATE", help="State folder of the daemon."),
]
ProfileFile = Annotated[
    Path | None,
    typer.Option("--profile", envvar="CLEMD_PROFILE", help="Profile (TOML)."),
]
Scene = Annotated[
    int | None,
    typer.Option(min=1, help="Which image of a file that holds several; the largest."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log everything.")]


def default_state() -> Path:
    """Where a daemon keeps its state unless told otherwise."""
    if "STATE_DIRECTORY" in os.environ:  # set by systemd
        return Path(os.environ["STATE_DIRECTORY"].split(":")[0])
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "clemd"


@app.command()
def demo(
    headless: Annotated[bool, typer.Option(help="Do not open a browser.")] = False,
    once: Annotated[
        bool, typer.Option(help="Stop when every file has its verdict.")
    ] = False,
    as_json: Json = False,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with em/ and lm/, or a pair*.json that names files."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated session.")] = 7,
    plan: Annotated[str, typer.Option(help="Which simulated session.")] = "demo",
    port: Annotated[int, typer.Option(help="Port of the page; 0 = any free.")] = 0,
    state: Annotated[
        Path | None, typer.Option(help="Keep the results in this folder.")
    ] = None,
    verbose: Verbose = False,
) -> int:
    """Play a session on simulated microscopes (or your files) and show it live."""
    from ._demo import run_demo

    return run_demo(
        headless=headless,
        once=once,
        as_json=as_json,
        data=data,
        seed=seed,
        plan=plan,
        port=port,
        state=state,
        verbose=verbose,
    )


@app.command()
def run(
    profile: ProfileFile = None,
    state: State = None,
    verbose: Verbose = False,
) -> int:
    """Run the service until it is stopped."""
    from ._run import run_service

    return run_service(profile, state or default_state(), verbose=verbose)


@app.command()
def register(
    em: Annotated[Path, typer.Argument(help="EM image.")],
    lm: Annotated[Path, typer.Argument(help="LM image.")],
    engine: Annotated[str, typer.Option(help="Registration engine.")] = "auto",
    second_engine: Annotated[
        str, typer.Option(help="Asked as well where the first says review; auto.")
    ] = "none",
    pixel_ratio: Annotated[
        float | None,
        typer.Option(help="LM pixel size / EM pixel size; may be 10 % wrong."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:0 ...")] = "auto",
    em_scene: Annotated[
        int | None, typer.Option(help="Which image of a file of several, from 1.")
    ] = None,
    lm_scene: Annotated[
        int | None, typer.Option(help="The same of the LM file; may be the EM file.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write pictures and files.")] = None,
    tolerance: Annotated[
        float, typer.Option(help="Largest error accepted, fraction of the EM width.")
    ] = 0.02,
    time_limit: Annotated[
        float, typer.Option(help="Seconds, reading included; then rejected.")
    ] = 300.0,
    memory_limit: Annotated[
        float | None, typer.Option(help="GB that registering may hold; then rejected.")
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            help="Lay it by hand: EM x, EM y, LM x, LM y in px of one point that both "
            "show. Give two or more; three tell a mirror image."
        ),
    ] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Lay one EM image on one LM image; no daemon needed."""
    from ._register import Wishes, register_files

    return register_files(
        em,
        lm,
        Wishes(
            engine=engine,
            pixel_ratio=pixel_ratio,
            device=device,
            tolerance=tolerance,
            time_limit_s=time_limit,
            memory_limit_gb=memory_limit,
            points=tuple(point or ()),
            em_scene=em_scene,
            lm_scene=lm_scene,
            second_engine=second_engine,
        ),
        out=out,
        as_json=as_json,
        verbose=verbose,
    )


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="Image file.")],
    ome: Annotated[bool, typer.Option("--ome", help="As OME-XML.")] = False,
    scene: Scene = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Show what a file says about itself, warnings included."""
    from ._inspect import inspect_file

    return inspect_file(file, as_json=as_json, verbose=verbose, as_ome=ome, scene=scene)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="Image file.")],
    out: Annotated[Path, typer.Argument(help="OME-TIFF to write.")],
    force: Annotated[bool, typer.Option(help="Replace a file of that name.")] = False,
    scene: Scene = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Write a file as a tiled, pyramidal OME-TIFF that other programs open."""
    from ._convert import convert_file

    return convert_file(
        file, out, force=force, as_json=as_json, verbose=verbose, scene=scene
    )


@app.command()
def status(
    state: State = None,
    as_json: Json = False,
) -> int:
    """Show files, pairs and results of a state folder, running or not."""
    from ._status import show_status

    return show_status(state or default_state(), as_json=as_json)


@app.command()
def sessions(
    session: Annotated[
        str, typer.Argument(help="One session, with its story; all.")
    ] = "",
    state: State = None,
    as_json: Json = False,
) -> int:
    """Show what each session has learned about stage and map."""
    from ._sessions import show_sessions

    return show_sessions(session, state or default_state(), as_json=as_json)


@app.command()
def heat(
    word: Annotated[
        str,
        typer.Argument(
            help="pause or allow the device for a while, resume; none = look back."
        ),
    ] = "",
    minutes: Annotated[
        float, typer.Option(help="How long pause or allow holds.")
    ] = 15.0,
    hours: Annotated[float, typer.Option(help="How far to look back.")] = 1.0,
    state: State = None,
    as_json: Json = False,
) -> int:
    """Show how warm the device was and what that cost, or overrule it for a while."""
    from ._heat import say_wish, show_heat

    where = state or default_state()
    if word:
        return say_wish(word, minutes, where, as_json=as_json)
    return show_heat(hours, where, as_json=as_json)


@app.command()
def map(
    session: Annotated[str, typer.Option(help="Session whose map --lm is on.")] = "",
    lm: Annotated[str, typer.Option(help="Point on the LM map, px: X,Y.")] = "",
    map_id: Annotated[
        str, typer.Option("--map", help="ID of the LM frame; the newest map.")
    ] = "",
    em_frame: Annotated[str, typer.Option(help="ID of an EM frame.")] = "",
    px: Annotated[str, typer.Option(help="Point in that EM frame, px: X,Y.")] = "",
    state: State = None,
    as_json: Json = False,
) -> int:
    """Say where a point of the map is on the stage, or an EM point on the map."""
    from ._map import map_point

    return map_point(
        state or default_state(),
        session=session,
        lm=lm,
        map_id=map_id,
        em_frame=em_frame,
        px=px,
        as_json=as_json,
    )


@app.command()
def spots(
    map_id: Annotated[str, typer.Argument(metavar="MAP", help="ID of an LM frame.")],
    channel: Annotated[
        int | None, typer.Option(help="Which channel, from 0; first label.")
    ] = None,
    most: Annotated[int, typer.Option(help="So many at most.", min=1)] = 200,
    state: State = None,
    as_json: Json = False,
) -> int:
    """List bright spots of a light map as targets, with their stage positions."""
    from ._spots import show_spots

    return show_spots(
        map_id,
        state or default_state(),
        channel=channel,
        most=most,
        as_json=as_json,
    )


@app.command()
def spectrum(
    file: Annotated[Path, typer.Argument(help="A cube or an energy series.")],
    px: Annotated[str, typer.Option(help="Where: X,Y in px of the file.")],
    radius: Annotated[
        int, typer.Option(help="Px around it that are averaged.", min=0)
    ] = 2,
    profile: ProfileFile = None,
    as_json: Json = False,
) -> int:
    """Show the spectrum at one place of a cube or an energy series."""
    from ._spectrum import show_spectrum

    return show_spectrum(file, px, radius_px=radius, profile=profile, as_json=as_json)


@app.command()
def advise(
    session: Annotated[str, typer.Option(help="Session to improve.")],
    lm: Annotated[list[str], typer.Option(help="An open target, LM px: X,Y; again.")],
    map_id: Annotated[
        str, typer.Option("--map", help="ID of the LM frame; the newest map.")
    ] = "",
    state: State = None,
    as_json: Json = False,
) -> int:
    """Say where one more EM image would shrink the error at open targets most."""
    from ._spots import advise as say

    return say(session, map_id, lm, state or default_state(), as_json=as_json)


@app.command()
def show(
    record: Annotated[
        str, typer.Argument(help="ID of a result, frame or pair, or a file name.")
    ],
    state: State = None,
    as_json: Json = False,
) -> int:
    """Show everything that is known about one record, reasons included."""
    from ._show import show_record

    return show_record(record, state or default_state(), as_json=as_json)


@app.command()
def pair(
    em: Annotated[str, typer.Argument(help="ID or file name of the EM image.")],
    lm: Annotated[str, typer.Argument(help="ID or file name of the LM map.")] = "",
    never: Annotated[bool, typer.Option(help="They do not belong together.")] = False,
    undo: Annotated[
        bool, typer.Option(help="Leave the EM image to the rules again.")
    ] = False,
    state: State = None,
    as_json: Json = False,
) -> int:
    """Overrule which map an EM image belongs to."""
    from ._pair import pair_frames

    return pair_frames(
        em, lm, state or default_state(), never=never, undo=undo, as_json=as_json
    )


@app.command()
def session(
    name: Annotated[str, typer.Argument(help="Name of the session.")] = "",
    end: Annotated[bool, typer.Option(help="End the one that runs.")] = False,
    state: State = None,
    as_json: Json = False,
) -> int:
    """Begin a session: every new file belongs to it until it is ended."""
    from ._pair import name_session

    return name_session(name, state or default_state(), end=end, as_json=as_json)


@app.command()
def jobs(
    every: Annotated[bool, typer.Option("--all", help="Those that are done, too.")] = (
        False
    ),
    state: State = None,
    as_json: Json = False,
) -> int:
    """List what is to be done, and what was set aside with its reason."""
    from ._jobs import show_jobs

    return show_jobs(state or default_state(), every=every, as_json=as_json)


@app.command()
def retry(
    job: Annotated[str, typer.Argument(help="Number of the job; `clemd jobs`.")],
    state: State = None,
    as_json: Json = False,
) -> int:
    """Start a job again that was set aside, put off or done."""
    from ._jobs import retry_job

    return retry_job(job, state or default_state(), as_json=as_json)


@app.command()
def replay(
    result: Annotated[str, typer.Argument(help="ID of the result.")],
    state: State = None,
    as_json: Json = False,
) -> int:
    """Register a pair again as it was, and compare the matrices."""
    from ._replay import replay as again

    return again(result, state or default_state(), as_json=as_json)


@app.command()
def export(
    result: Annotated[str, typer.Argument(help="ID of the result.")] = "",
    format: Annotated[str, typer.Option(help="A dialect; --list shows them.")] = "",
    out: Annotated[Path | None, typer.Option(help="File or folder to write.")] = None,
    targets: Annotated[
        Path | None,
        typer.Option(help="Places to drive to, and the way to the stage (JSON)."),
    ] = None,
    list: Annotated[bool, typer.Option("--list", help="List the dialects.")] = False,
    state: State = None,
    as_json: Json = False,
) -> int:
    """Write a result in the dialect that another program reads."""
    from ._export import export_result, list_dialects

    if list:
        return list_dialects(as_json=as_json)
    return export_result(
        result,
        format,
        state or default_state(),
        out=out,
        targets=targets,
        as_json=as_json,
    )


@app.command()
def doctor(
    profile: ProfileFile = None,
    sample: Annotated[
        Path | None,
        typer.Option(help="Folder with a few exported files: does the profile fit?"),
    ] = None,
    state: State = None,
    as_json: Json = False,
) -> int:
    """Is this machine ready? Each finding comes with its mend."""
    from ._doctor import examine

    return examine(profile, state or default_state(), as_json=as_json, sample=sample)


@app.command()
def bench(
    what: Annotated[
        str,
        typer.Argument(
            help="faults, heat, heat-experiment, methods, pairing, pipeline, "
            "registration, sessions, train-verdict, troubles, watching"
        ),
    ],
    trials: Annotated[
        int, typer.Option(help="Trials of each tier and each kind of negative.")
    ] = 3,
    seed: Annotated[int, typer.Option(help="First reporting seed.")] = 1000,
    data: Annotated[
        Path | None, typer.Option(help="Folder of real pairs with truth.")
    ] = None,
    parts: Annotated[
        str,
        typer.Option(
            help="heat-experiment: cool,soaked,limited; "
            "pipeline: demo,latency,memory,idle,kills; "
            "watching: habits,frozen,known,polled,claimed,mutated"
        ),
    ] = "",
    pixels: Annotated[
        bool, typer.Option(help="sessions: a real daemon on large images.")
    ] = False,
    method: Annotated[
        str, typer.Option(help="methods: mine,...; all of them if left out.")
    ] = "",
    kills: Annotated[int, typer.Option(help="SIGKILLs of the kill test.")] = 100,
    tier: Annotated[
        str,
        typer.Option(help="mild,session,wild,unknown,clean,noisy,negatives; all."),
    ] = "",
    kinds: Annotated[str, typer.Option(help="Kinds of negatives; all.")] = "",
    arms: Annotated[
        str, typer.Option(help="ours, and peers on the same trials: sift,elastix ...")
    ] = "",
    size: Annotated[str, typer.Option(help="small (map of 320 px) or full.")] = "small",
    real_seeds: Annotated[
        int | None, typer.Option(help="Seeds of the real pairs; as many as trials.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes.")] = 1,
    threads: Annotated[int, typer.Option(help="Threads of every arm.")] = 1,
    rows: Annotated[
        Path | None, typer.Option(help="Keep every trial here; go on where it ends.")
    ] = None,
    from_rows: Annotated[
        Path | None, typer.Option(help="Run nothing: only what is kept here.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Print the benchmark tables of this project, against peers, in one run."""
    from clemd.bench import RegistrationWishes, run_bench

    return run_bench(
        what,
        trials=trials,
        seed=seed,
        data=data,
        parts=parts,
        kills=kills,
        pixels=pixels,
        method=method,
        as_json=as_json,
        wishes=RegistrationWishes(
            tiers=tier,
            kinds=kinds,
            arms=arms,
            size=size,
            real_seeds=real_seeds,
            jobs=jobs,
            threads=threads,
            rows=rows,
            from_rows=from_rows,
        ),
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"clemd {version('clemd')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and end.",
        ),
    ] = False,
) -> None:
    """Lays electron microscope images on light microscope maps."""
