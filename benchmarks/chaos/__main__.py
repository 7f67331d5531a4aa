"""Real runs on a real cluster of several nodes, killed, stopped and starved at random moments: is anything lost?

    python -m benchmarks.chaos [--seed S] [--faults N] [--minutes M] [--kinds driver,worker,…]

First an undisturbed run of a small study, then disturbed ones, each resumed where needed and judged by its journal,
until all faults have struck or time is up. Prints a table, and PASS or FAIL with what was wrong; exit code 1 on any
loss. The directory of a run that failed is kept, in build/chaos.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.chaos.disk import enter_namespace, small_disk
from benchmarks.chaos.disturbed import OBJECTIVE, SECONDS_TO_END, TICK, DisturbedRun, Stuck
from benchmarks.chaos.faults import KINDS, Fault, draw
from benchmarks.chaos.inject import INJECTIONS, kill_left
from benchmarks.chaos.judge import Outcome, Verdict, judge, outcome, stray_files
from benchmarks.chaos.processes import ROOT, Broken, Nodes, workers_of
from benchmarks.chaos.table import Tally
from orchestrator.errors import UserError
from orchestrator.scheduler.legality import IllegalRecord

NODES = (1.0, 1.0, 1.0)
CHECKPOINT_EVERY = 2.0
LONGEST_RECOVERY = 120.0
LONGEST_RUN = 300.0
"""Without a fault."""
PATIENCE = 20.0
"""For a moment at which a fault can strike."""
ORDERLY = ("halving", "none")
"""Stoppers that decide the same in whatever order trials report."""


class Harness:
    def __init__(self, options: argparse.Namespace, folder: Path, nodes: Nodes) -> None:
        self.options = options
        self.folder = folder
        self.nodes = nodes
        self.tally = Tally()
        self.runs = 0
        self.deadline = time.monotonic() + options.minutes * 60
        self.settings = [
            *("--workers", str(options.workers), "--trials", str(options.trials), "--stopper", options.stopper),
            *("--checkpoint-every", f"{CHECKPOINT_EVERY:g}s", "--stall-timeout", options.stall_timeout),
            # Trials that hang again and again fail, as they should; here it is not their doing.
            *("--seed", str(options.seed), "--deterministic", "--retries", str(options.faults)),
        ]
        self.same_decisions = options.stopper.partition(":")[0] in ORDERLY

    def run(self, faults: list[Fault]) -> None:
        undisturbed = self._undisturbed()
        while faults and time.monotonic() < self.deadline:
            self._disturbed(faults, undisturbed)

    def _begin(self) -> DisturbedRun:
        run = DisturbedRun(self.folder, self.folder / "disk" / f"run-{self.runs}", self.nodes, self.settings)
        self.runs += 1
        run.start()
        return run

    def _undisturbed(self) -> Outcome:
        began = time.monotonic()
        run = self._begin()
        try:
            if not run.watch(lambda: run.over, LONGEST_RUN) or run.problems:
                raise Broken("; ".join(run.problems) or f"the undisturbed run takes more than {LONGEST_RUN:g} s")
        except Stuck as stuck:
            raise Broken(f"the undisturbed run: {stuck}") from stuck
        finally:
            run.close()
        found = outcome(run.records, OBJECTIVE)
        _say(f"undisturbed: {len(found.rows)} trials, {len(found.curves)} epochs, {time.monotonic() - began:.0f} s")
        return found

    def _disturbed(self, faults: list[Fault], undisturbed: Outcome) -> None:
        """One run, until it has ended; takes from `faults` those that strike it."""
        run = self._begin()
        try:
            while faults and not run.over and time.monotonic() < self.deadline:
                if self._await_moment(run, faults[0]) and self._inject(run, faults[0]):
                    fault = faults.pop(0)
                    _say(f"{run.dir.name}: {KINDS[fault.kind]} at {len(run.strikes[-1].before)} records")
            if not run.watch(lambda: run.over, LONGEST_RUN):
                run.problems.append(f"the run takes more than {LONGEST_RUN:g} s since the last fault")
        except Stuck as stuck:
            run.problems.append(f"stuck: {stuck}")
        finally:
            run.close()
        self._judge(run, undisturbed)

    def _await_moment(self, run: DisturbedRun, fault: Fault) -> bool:
        hasty = fault.hasty and bool(run.strikes)
        if not hasty and not run.watch(lambda: not run.recovering, LONGEST_RECOVERY):
            recovery = next(recovery for recovery in run.recoveries if recovery.seconds is None)
            raise Stuck(f"no recovery from {KINDS[recovery.kind]} within {LONGEST_RECOVERY:g} s")
        run.watch(lambda: False, fault.after)
        return not run.over

    def _inject(self, run: DisturbedRun, fault: Fault) -> bool:
        return run.watch(lambda: not run.over and INJECTIONS[fault.kind](run, fault), PATIENCE)

    def _judge(self, run: DisturbedRun, undisturbed: Outcome) -> None:
        try:
            verdict = judge(
                run.records,
                run.strikes,
                undisturbed,
                OBJECTIVE,
                CHECKPOINT_EVERY,
                same_decisions=self.same_decisions,
            )
        except (IllegalRecord, UserError) as error:
            verdict = Verdict(problems=[f"the journal cannot be judged: {error}"])
        present = [path.name for path in (run.dir / "checkpoints").glob("*")]
        verdict.problems += [*run.problems, *stray_files(run.records, present), *_left(run)]
        verdict.problems = [f"{run.dir.name}: {problem}" for problem in verdict.problems]
        self.tally.add(run.strikes, {r.strike: r.seconds for r in run.recoveries}, verdict)
        _say(f"{run.dir.name}: {len(run.strikes)} faults, {len(verdict.problems) or 'no'} problems")
        for problem in verdict.problems:
            _say(f"  {problem}")
        if verdict.problems:
            self._keep(run)
        shutil.rmtree(run.dir, ignore_errors=True)

    def _keep(self, run: DisturbedRun) -> None:
        """Its directory and its drivers' words, for whoever looks into it."""
        kept = ROOT / "build" / "chaos" / f"seed-{self.options.seed}-{run.dir.name}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(run.dir, kept, dirs_exist_ok=True)
        shutil.copy(self.folder / f"{run.dir.name}.txt", kept / "driver.txt")
        strikes = [f"{len(strike.before)} {strike.kind} {sorted(strike.damaged) or ''}\n" for strike in run.strikes]
        (kept / "faults.txt").write_text("records in the journal, fault, trials damaged\n" + "".join(strikes))
        _say(f"  kept in {kept.relative_to(ROOT)}")


def _left(run: DisturbedRun) -> list[str]:
    deadline = time.monotonic() + SECONDS_TO_END
    while workers_of(run.dir) and time.monotonic() < deadline:
        time.sleep(TICK)
    return [f"worker {pid} outlived its run" for pid in kill_left(run.dir)]


def main() -> int:
    options = _options()
    if "disk" in options.kinds:
        enter_namespace(sys.argv[1:])
    signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))  # Short: names of sockets have little room.
    try:
        with small_disk(folder / "disk") as not_mounted:
            not_injected = {"disk": not_mounted} if not_mounted and "disk" in options.kinds else {}
            tally = _run(options, folder, [kind for kind in options.kinds if kind not in not_injected])
        return _tell(tally, options.faults, not_injected)
    except Broken as broken:
        _say(f"FAIL: {broken}")
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(options: argparse.Namespace, folder: Path, kinds: list[str]) -> Tally:
    faults = draw(options.seed, options.faults, kinds) if kinds else []
    nodes = Nodes(folder, NODES)
    harness = Harness(options, folder, nodes)
    try:
        harness.run(faults)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        family = nodes.look_around()
        nodes.close()
    harness.tally.problems += [
        f"process {process.pid} outlived the cluster" for process in family if process.is_running()
    ]
    return harness.tally


def _tell(tally: Tally, wanted: int, not_injected: dict[str, str]) -> int:
    injected = sum(tally.injected.values())
    print(tally.table(not_injected))
    print(
        f"{tally.runs} disturbed runs; {tally.compared} reports compared with the undisturbed run's, metric by metric"
    )
    if injected < wanted:
        print(f"{injected} of {wanted} faults: time was up")
    for problem in tally.problems:
        print(f"  {problem}")
    print("FAIL" if tally.problems else "PASS")
    return 1 if tally.problems else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the faults and of the study (default: 0)")
    parser.add_argument("--faults", type=int, default=60, metavar="N", help="(default: 60)")
    parser.add_argument(
        "--minutes", type=float, default=45, metavar="M", help="begin no more after these (default: 45)"
    )
    parser.add_argument("--kinds", type=_kinds, default=[*KINDS], metavar="K,K…", help=f"(default: {','.join(KINDS)})")
    parser.add_argument("--stopper", default="halving:eta=2,grace=3", help="(default: %(default)s)")
    parser.add_argument("--trials", type=int, default=16, metavar="N", help="of a run (default: 16)")
    parser.add_argument("--workers", type=int, default=3, metavar="N", help="at once, 1 to 3 (default: 3)")
    parser.add_argument("--stall-timeout", default="8s", metavar="TIME", help="of the study (default: %(default)s)")
    return parser.parse_args()


def _kinds(text: str) -> list[str]:
    kinds = text.split(",")
    if unknown := sorted(set(kinds) - KINDS.keys()):
        raise argparse.ArgumentTypeError(f"there is no kind {', '.join(unknown)}: use {', '.join(KINDS)}")
    return kinds


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
