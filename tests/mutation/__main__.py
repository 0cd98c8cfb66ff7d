"""Changes one line of the library at a time and asks whether the unit tests notice (docs/mutation.md).

python -m tests.mutation --count=200 --seed=0
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.mutation.operators import Mutant, all_mutants
from tests.mutation.reach import reaching_tests
from tests.mutation.records import Records, judged
from tests.mutation.trial import Copy, Outcome, Trial, warm_up

ROOT = Path(__file__).parents[2]
ROOMS = ("losses", "keyframes", "memory", "classic", "hashing", "retrieval", "training", "evaluation")
JUDGED = Path(__file__).with_name("judged.txt")
BASELINE_LIMIT = 900.0
PATIENCE = 5
"""A mutant is stopped after this many times the processor time of its module's tests, and a minute."""


def drawn(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """Chooses `count` mutants, each by a number that its own text and the seed give.

    A change of one module thus leaves the choice in the others as it was.
    """

    def number(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed}|{mutant.identity}".encode()).digest()

    chosen = set(sorted(mutants, key=number)[:count])
    return [mutant for mutant in mutants if mutant in chosen]


def tried(copies: list[Copy], mutants: list[Mutant], tests: list[str], limit: float):
    """Yields (mutant, outcome) of the mutants of one module, as many at a time as there are copies."""
    if not tests:
        yield from ((mutant, Outcome("survived", "", 0)) for mutant in mutants)
        return
    waiting, free, running = list(mutants), list(copies), {}
    while waiting or running:
        while waiting and free:
            copy, mutant = free.pop(), waiting.pop(0)
            copy.apply(mutant)
            running[mutant] = copy, Trial(copy.place, tests, limit)
        time.sleep(0.05)
        for mutant, (copy, trial) in list(running.items()):
            outcome = trial.poll()
            if outcome is not None:
                copy.restore(mutant.module)
                free.append(copy)
                del running[mutant]
                yield mutant, outcome


def baseline(copy: Copy, module: str, tests: list[str]) -> float:
    """Processor time of a module's tests without a mutant; ends the run where they do not pass."""
    trial = Trial(copy.place, tests, BASELINE_LIMIT)
    outcome = trial.wait()
    if outcome.status != "survived":
        sys.exit(
            f"error: without any mutant the tests of {module} end as {outcome.status}: mend {outcome.test or 'them'} "
            f"first.\n{trial.log.read_text()[-2000:]}"
        )
    return outcome.seconds


def report(outcomes: dict[Mutant, Outcome], sources: dict[str, str], same: Mapping[str, str]) -> str:
    """The survivors with their places, changes and names, and the score by room and over all.

    Survivors that compute the `same` (name -> reason) are counted apart, and are no part of the score.
    """
    lines = []
    for mutant, outcome in outcomes.items():
        if outcome.status == "survived" and mutant.identity not in same:
            lines += [f"{mutant.module}:{mutant.line} {mutant.rule}", mutant.diff(sources[mutant.module])]
            lines += [mutant.identity, ""]

    def score(name: str, of: list[Mutant]) -> str:
        survived = [mutant for mutant in of if outcomes[mutant].status == "survived"]
        equivalent = sum(mutant.identity in same for mutant in survived)
        stopped = sum(outcomes[mutant].status == "timeout" for mutant in of)
        killed = len(of) - len(survived)
        share = 100 * killed / max(len(of) - equivalent, 1)
        counts = f"{len(of):>8}{killed:>8}{stopped:>10}{equivalent:>12}{len(survived) - equivalent:>10}"
        return f"{name:<12}{counts}{share:>8.1f} %"

    head = ("mutants", 8), ("killed", 8), ("(timeout)", 10), ("equivalent", 12), ("survived", 10), ("score", 10)
    lines.append(f"{'room':<12}" + "".join(f"{word:>{width}}" for word, width in head))
    rooms = itertools.groupby(outcomes, key=lambda mutant: mutant.module.split("/")[1])
    return "\n".join([*lines, *(score(room, list(of)) for room, of in rooms), score("all", list(outcomes))])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="mutants to try")
    parser.add_argument("--seed", type=int, default=0, help="of the choice among all mutants")
    parser.add_argument("--rooms", default=",".join(ROOMS), help="rooms whose share of the draw is tried")
    parser.add_argument("--module", default="", help="try all mutants of this module only, such as avx/classic/cca.py")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants tried at a time")
    parser.add_argument("--records", type=Path, default=ROOT / ".cache" / "mutants.jsonl", help="file of the outcomes")
    parser.add_argument("--everywhere", action="store_true", help="also run the unit tests of other rooms")
    parser.add_argument("--report", action="store_true", help="try nothing, tell what is on record")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="mutants_") as folder:
        # All that follows reads the copies: the repository may be edited meanwhile.
        copies = [Copy(ROOT, Path(folder) / str(job)) for job in range(options.jobs)]
        root = copies[0].place
        if options.module:
            paths = [root / options.module]
        else:
            paths = [path for room in ROOMS for path in (root / "avx" / room).glob("*.py")]
        sources = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}
        mutants = list(all_mutants(sources))
        chosen = mutants if options.module else drawn(mutants, options.count, options.seed)
        if not options.module:
            chosen = [mutant for mutant in chosen if mutant.module.split("/")[1] in options.rooms.split(",")]
        records, outcomes, warm = Records(options.records, sources, root), {}, False
        for module, group in itertools.groupby(chosen, key=lambda mutant: mutant.module):
            of_module, tests = list(group), reaching_tests(root, module, options.everywhere)
            known = {mutant: records.get(mutant, tests) for mutant in of_module}
            outcomes |= {mutant: outcome for mutant, outcome in known.items() if outcome is not None}
            missing = [mutant for mutant in of_module if known[mutant] is None]
            if not missing or options.report:
                continue
            if not warm:
                warm_up()
                warm = True
            seconds = baseline(copies[0], module, tests) if tests else 0
            print(f"{module}: {len(missing)} mutants, {len(tests)} files of tests, {seconds:.0f} s", flush=True)
            for mutant, outcome in tried(copies, missing, tests, PATIENCE * seconds + 60):
                records.put(mutant, tests, outcome)
                outcomes[mutant] = outcome
                print(f"  {mutant.module}:{mutant.line} {mutant.rule} {outcome.status} {outcome.test}", flush=True)
    found, same = {mutant: outcomes[mutant] for mutant in chosen if mutant in outcomes}, judged(JUDGED)
    print(f"\n{len(found)} of {len(chosen)} mutants tried, drawn of {len(mutants)}\n\n{report(found, sources, same)}")
    stale = {name for name in same if name.split("|")[0] in sources} - {mutant.identity for mutant in mutants}
    if stale:
        print("\njudged, but no mutant any more; take it out of judged.txt:", *sorted(stale), sep="\n")


if __name__ == "__main__":
    main()
