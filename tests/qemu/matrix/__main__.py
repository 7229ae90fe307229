"""python3 -m matrix check|full|case: what `make check-matrix`, `make check-matrix-full` and `make case C=...` run."""
import argparse
import random
import sys

from . import BUILD, axes, combos, slots, unaligned
from .image import Image
from .results import Results
from .runner import report, run_all, show_case

FOLDER = BUILD / "matrix"
DEBIAN_IN_CHECK, DEBIAN_IN_FULL = 6, 40


# The pairs are covered by the same cases whatever the seed, which only chooses among them.
PAIRS_SEED = 1
PAIRS_IN_CHECK = 12
COMBINATIONS = ("axes", "pairs", "product")


def plan(level, seed, image, sweeps):
    """Every case of a level; what is random depends on the seed alone."""
    is_full = level == "full"
    cases = slots.sweep_cases(sweeps, "bios") + slots.sweep_cases(sweeps, "efi")
    cases += unaligned.offset_cases(image)
    cases += unaligned.random_cases(image, random.Random(f"random-4k {seed}"),
                                    unaligned.RANDOM_COUNT if is_full else unaligned.RANDOM_IN_CHECK)
    cases += slots.cost_cases(sweeps)
    cases += combos.axes_cases(image)
    pairs = combos.pair_cases(image, random.Random(PAIRS_SEED))
    cases += pairs if is_full else random.Random(f"pairs {seed}").sample(pairs, PAIRS_IN_CHECK)
    cases += combos.product_cases(image) if is_full else combos.machine_cases(image)
    cases += slots.debian_cases(sweeps, random.Random(f"debian {seed}"), DEBIAN_IN_FULL if is_full else DEBIAN_IN_CHECK)
    return cases


def find(name, image, sweeps):
    """The case of a name, in whichever plan it was."""
    group, _, rest = name.partition(".")
    try:
        if group in ("slots-bios", "slots-efi", "debian", "cost"):
            return slots.case_by_name(sweeps, group, rest)
        if group in ("offsets", "random-4k"):
            return unaligned.make_case(image, group, int(rest, 16))
        if group in COMBINATIONS:
            return combos.make_case(image, group, axes.case_of(rest))
    except ValueError as error:
        sys.exit(f"matrix: {name}: {error}")
    sys.exit(f"matrix: there is no case {name}: give one as `make check-matrix` names it")


def main():
    parser = argparse.ArgumentParser(prog="matrix", description=__doc__)
    parser.add_argument("what", choices=("check", "full", "case"))
    parser.add_argument("case", nargs="?", help="for `case`: its name")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--fresh", action="store_true", help="run again what has passed with this image")
    parser.add_argument("--only", action="append", help="this group alone; may be given several times")
    arguments = parser.parse_args()
    image = Image()
    # A case may be looked at while a run goes on.
    sweeps = slots.Sweeps(FOLDER / ("case" if arguments.what == "case" else "snapshots"), image)
    if arguments.what == "case":
        if not arguments.case:
            sys.exit("matrix: which case? `make case C=slots-bios.0x7de00000`")
        sys.exit(0 if show_case(find(arguments.case, image, sweeps)) else 1)
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    print(f"matrix: seed {seed} (SEED={seed} repeats it), image {image.sha256[:12]}")
    cases = plan(arguments.what, seed, image, sweeps)
    if arguments.only:
        cases = [case for case in cases if case.group in arguments.only]
    results = Results(FOLDER, image, seed, arguments.fresh)
    failed = run_all(cases, image, results, arguments.jobs)
    report(results, failed, seed)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
