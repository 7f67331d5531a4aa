"""Options and arguments that make no sense, each with the line that it must produce before anything is started."""

from pathlib import Path

import pytest

from tests.bad_input.support import refused

STUDY = """
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    raise AssertionError("nothing is trained")

study = Study(space=Space(x=Float(0, 1), y=Float(0, 1)), train=train, objective="value", direction="max")
"""

WHOLE = "use a whole number of at least"
SEED = f"{WHOLE} 0 that fits in 64 bits"
TIME = "use a time above 0, in seconds or such as 90s, 10m, 1.5h or 2d"
SIZE = "use a number of bytes above 0, or such as 500MB, 4GB or 1.5TB"
TEXT = "use a text that is not empty, or leave it out"
SAMPLERS = "use one of grid, optuna, random, sobol, staged, zoom"
STOPPERS = "use one of adaptive, asha, asha_stop, halving, hyperband, median, none, patience"

# Settings that `launch` refuses, and `plan` alike where it has them.
SETTINGS = [
    ("--trials 0", f"trials is 0: {WHOLE} 1"),
    ("--trials -3", f"trials is -3: {WHOLE} 1"),
    ("--trials 1.5", f"trials is 1.5: {WHOLE} 1"),
    ("--trials many", f"trials is 'many': {WHOLE} 1"),
    ("--trials nan", f"trials is nan: {WHOLE} 1"),
    ("--trials 1e400", f"trials is inf: {WHOLE} 1"),
    ("--epochs 0", f"epochs is 0: {WHOLE} 1"),
    ("--epochs 2.5", f"epochs is 2.5: {WHOLE} 1"),
    ("--seed -1", f"seed is -1: {SEED}"),
    ("--seed 1e30", f"seed is 1e+30: {SEED}"),
    ("--seed x", f"seed is 'x': {SEED}"),
    ("--workers 0", f"workers is 0: {WHOLE} 1"),
    ("--workers 1.5", f"workers is 1.5: {WHOLE} 1"),
    ("--cpus-per-trial 0", "cpus_per_trial is 0: use a whole number of CPUs, or a part of one of at least 0.0001"),
    ("--cpus-per-trial 1.5", "cpus_per_trial is 1.5: use a whole number of CPUs, …"),
    ("--cpus-per-trial nan", "cpus_per_trial is nan: use a whole number of CPUs, …"),
    (
        "--gpus-per-trial -1",
        "gpus_per_trial is -1: use a whole number of GPUs, or a part of one of at least 0.0001, or auto",
    ),
    ("--gpus-per-trial 1.5", "gpus_per_trial is 1.5: use a whole number of GPUs, …"),
    ("--gpus-per-trial 0.00001", "gpus_per_trial is 1e-05: use a whole number of GPUs, …"),
    ("--max-time 0", f"max_time is 0: {TIME}"),
    ("--max-time soon", f"max_time is 'soon': {TIME}"),
    ("--max-time -5m", f"max_time is '-5m': {TIME}"),
    ("--max-time 5w", f"max_time is '5w': {TIME}"),
    ("--max-time inf", f"max_time is inf: {TIME}"),
    ("--max-epochs-total 0", f"max_epochs_total is 0: {WHOLE} 1"),
    ("--gpu-hours 1", "gpu_hours is 1, but trials use no GPU: give gpus_per_trial, or max_time instead"),
    ("--gpu-hours 0 --gpus-per-trial 1", "gpu_hours is 0: use a number above 0"),
    ("--sampler zooom", f"sampler is 'zooom': {SAMPLERS}; did you mean 'zoom'?"),
    ("--sampler grid:5,x", "sampler is 'grid:5,x': 'x' has no name: write grid:option=value (options: points)"),
    ("--sampler grid:z=3", "sampler is 'grid:z=3': points are given for 'z', which is not in the search space"),
    ("--sampler grid:x=0", "sampler is 'grid:x=0': x is 0: use a whole number of at least 1"),
    ("--sampler grid:x=99999999", "sampler is 'grid:x=99999999': use at most 10,000 for x"),
    ("--sampler random:5", "sampler is 'random:5': random takes no options: leave ':5' out"),
    ("--sampler optuna:tpee", "sampler is 'optuna:tpee': use optuna:KIND with one of …; did you mean 'tpe'?"),
    ("--sampler optuna:", "sampler is 'optuna:': give an option after 'optuna:', or leave the colon out"),
    ("--points 5", "points is '5', but the sampler is 'zoom': use 'grid', or leave points out"),
    ("--points 0 --sampler grid", "points is '0': points is 0: use a whole number of at least 1"),
    ("--points x=a --sampler grid", "points is 'x=a': x is a: use a whole number of at least 1"),
    ("--points 99999 --sampler grid", "points is '99999': use at most 10,000 for points"),
    ("--points q=3 --sampler grid", "sampler is 'grid': points are given for 'q', which is not in the search space"),
    ("--stopper ahsa", f"stopper is 'ahsa': {STOPPERS}; did you mean 'asha'?"),
    ("--stopper asha:eta=1", "stopper is 'asha:eta=1': eta is 1: use a whole number of at least 2"),
    ("--stopper asha:eta=x", "stopper is 'asha:eta=x': eta is x: use a whole number of at least 2"),
    ("--stopper asha:etta=3", "stopper is 'asha:etta=3': asha has no option 'etta'; did you mean 'eta'? (options: …)"),
    ("--stopper asha:eta=3,eta=4", "stopper is 'asha:eta=3,eta=4': eta is given twice: leave one of them"),
    ("--stopper asha:", "stopper is 'asha:': give an option after 'asha:', or leave the colon out"),
    ("--stopper none:3", "stopper is 'none:3': none takes no options: leave ':3' out"),
    ("--stopper patience:0", "stopper is 'patience:0': epochs is 0: use a whole number of at least 1"),
    ("--stopper median:grace=0", "stopper is 'median:grace=0': grace is 0: use a whole number of at least 1"),
    ("--stopper asha+asha", "stopper is 'asha+asha': asha stands there twice: leave one of them out"),
    ("--stopper halving+hyperband", "stopper is 'halving+hyperband': halving and hyperband both pause trials: use …"),
    ("--stopper asha+", f"stopper is 'asha+': {STOPPERS}"),
    ("--address ", f"address is '': {TEXT}"),
]

# Settings of `launch` alone.
OF_LAUNCH = [
    ("--target nan", "target is nan: use a finite number"),
    ("--target best", "target is 'best': use a finite number"),
    ("--retries -1", f"retries is -1: {WHOLE} 0"),
    ("--retries 1.5", f"retries is 1.5: {WHOLE} 0"),
    ("--max-failures 0", f"max_failures is 0: {WHOLE} 1"),
    ("--trial-timeout 0", f"trial_timeout is 0: {TIME}"),
    ("--trial-timeout never", f"trial_timeout is 'never': {TIME}"),
    ("--stall-timeout sometimes", f"stall_timeout is 'sometimes': {TIME}; or auto, or none"),
    ("--stall-timeout 0", f"stall_timeout is 0: {TIME}; or auto, or none"),
    ("--checkpoint-every 0", f"checkpoint_every is 0: {TIME}"),
    ("--keep 0", f"keep is 0: {WHOLE} 1"),
    ("--checkpoint-bytes 0", f"checkpoint_bytes is 0: {SIZE}"),
    ("--checkpoint-bytes -5GB", f"checkpoint_bytes is '-5GB': {SIZE}"),
    ("--checkpoint-bytes 5XB", f"checkpoint_bytes is '5XB': {SIZE}"),
    ("--memory-per-trial 4X", f"memory_per_trial is '4X': {SIZE}"),
    ("--storage ", f"storage is '': {TEXT}"),
    ("--storage nope://x", "nope://x: there is no protocol 'nope'"),
    ("--storage-every 0", f"storage_every is 0: {TIME}"),
    ("--dashboard-host ", f"dashboard_host is '': {TEXT}"),
    ("--run-dir full", "HERE/full is not empty: a run needs a new directory, choose another --run-dir"),
    ("--run-dir full/file", "the run directory 'HERE/full/file' cannot be made (File exists): choose another …"),
    ("--run-dir full/file/x", "the run directory 'HERE/full/file/x' cannot be made (Not a directory): choose …"),
    ("--run-dir a\0b", "the run directory 'HERE/a\\x00b' cannot be made (embedded null byte): choose another …"),
    ("--quiet --json", "--quiet and --json contradict each other: give one of them"),
    ("--trails 5", "there is no option '--trails'; did you mean '--trials'?"),
    ("--epohcs=3", "there is no option '--epohcs'; did you mean '--epochs'?"),
    ("--no-such", "there is no option '--no-such'"),
    ("-x", "there is no option '-x'"),
    ("other.py", "one study at a time: mine.py other.py"),
    ("--repeats=yes", "Option '--repeats' does not take a value (see …)"),
    ("--trials", "Option '--trials' requires an argument (see …)"),
    ("--trials 0 --epochs x", f"trials is 0: {WHOLE} 1\nepochs is 'x': {WHOLE} 1"),
]

HELP = "(see python -m orchestrator"

# Of the other commands: the whole line of arguments.
COMMANDS = [
    ("lunch", f"there is no command 'lunch'; did you mean 'launch'? {HELP} --help)"),
    ("Launch", f"there is no command 'Launch'; did you mean 'launch'? {HELP} --help)"),
    ("--vresion", f"there is no option '--vresion'; did you mean '--version'? {HELP} --help)"),
    ("plan mine.py", f"Missing option '--workers' {HELP} plan --help)"),
    ("plan nothing.py --workers 2", "nothing.py: there is no such file"),
    ("plan mine.py other.py --workers 2", f"Got unexpected extra argument (other.py) {HELP} plan --help)"),
    ("plan mine.py --workers 2 --trails 5", f"No such option '--trails'. Did you mean '--trials'? {HELP} plan --help)"),
    ("leaderboard", f"Missing argument 'RUN_DIR' {HELP} leaderboard --help)"),
    ("leaderboard a b", f"Got unexpected extra argument (b) {HELP} leaderboard --help)"),
    ("leaderboard a --top 0", f"Invalid value for '--top': 0 is not in the range x>=1 {HELP} leaderboard --help)"),
    (
        "leaderboard a --top x",
        f"Invalid value for '--top': 'x' is not a valid integer range {HELP} leaderboard --help)",
    ),
    ("leaderboard a --format xml", "Invalid value for '--format': 'xml' is not one of 'table', 'csv', 'json', …"),
    ("leaderboard a --tpo 3", f"No such option '--tpo'. Did you mean '--top'? {HELP} leaderboard --help)"),
    ("best", f"Missing argument 'RUN_DIR' {HELP} best --help)"),
    ("best a --json", f"No such option '--json' {HELP} best --help)"),
    ("studies all", f"Got unexpected extra argument (all) {HELP} studies --help)"),
    ("resume", f"Missing argument 'RUN_DIR|URL' {HELP} resume --help)"),
    ("check mine.py --seed x", f"seed is 'x': {SEED}"),
    ("check mine.py --seconds 0", f"Invalid value for '--seconds': 0.0 is not in the range x>0 {HELP} check --help)"),
    ("check mine.py --seconds nan", "seconds is nan: use a number above 0"),
    ("check a.py b.py", f"Got unexpected extra argument (b.py) {HELP} check --help)"),
    ("check --sed 3", f"No such option '--sed'. (Did you mean one of: '--seconds', '--seed'?) {HELP} check --help)"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orchestrator.execution.connect", lambda *_, **__: pytest.fail("it was started"))
    (tmp_path / "mine.py").write_text(STUDY)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    return tmp_path


@pytest.mark.parametrize(("options", "expected"), SETTINGS)
def test_settings(here: Path, capsys: pytest.CaptureFixture[str], options: str, expected: str) -> None:
    words = options.split(" ")
    refused(capsys, ["launch", "mine.py", *words], expected, here=here)
    refused(capsys, ["plan", "mine.py", "--workers", "2", *words], expected, here=here)


@pytest.mark.parametrize(("options", "expected"), OF_LAUNCH)
def test_settings_of_launch(here: Path, capsys: pytest.CaptureFixture[str], options: str, expected: str) -> None:
    refused(capsys, ["launch", "mine.py", *options.split(" ")], expected, here=here)


@pytest.mark.parametrize(("arguments", "expected"), COMMANDS)
def test_commands(here: Path, capsys: pytest.CaptureFixture[str], arguments: str, expected: str) -> None:
    refused(capsys, arguments.split(" "), expected, here=here)
