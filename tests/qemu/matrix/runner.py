"""Run cases: several at a time, with progress, results written as they come, and a list of what failed at the end."""
import concurrent.futures
import resource
import sys
import time

from .record import FAIL, Outcome, record

LINE_SECONDS = 10
# Where so many fail, the others would only take time: a case that hangs takes much longer than one that passes.
MOST_FAILURES = 50
# What a case of a group costs beside one of a slot, for the estimate alone.
WEIGHTS = {"offsets": 0.5, "random-4k": 0.5, "cost": 1.5, "axes": 8, "pairs": 25, "product": 25, "debian": 32}


def cpu_seconds():
    """Processor time of this process and of all its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def outcome_of(case):
    """Whatever goes wrong on the way is a failure of the case, not of the run."""
    try:
        return case.run()
    except Exception as error:
        # The first line says what was waited for; a machine's last words are behind it.
        what, _, rest = str(error).partition("\n")
        return Outcome([f"{type(error).__name__}: {what}"], rest)


def run_case(case, image):
    started = time.monotonic()
    outcome = outcome_of(case)
    return record(case, outcome, image.memory_bytes, time.monotonic() - started)


class Progress:
    """One line, rewritten in place on a terminal; elsewhere a new one every few seconds."""

    def __init__(self, todo):
        self.total, self.done, self.failed = len(todo), 0, 0
        self.weight = sum(WEIGHTS.get(case.group, 1) for case in todo)
        self.weight_done = 0
        self.started = self.last = time.monotonic()
        self.is_terminal = sys.stderr.isatty()

    def add(self, result, group):
        self.done += 1
        self.weight_done += WEIGHTS.get(group, 1)
        self.failed += result == FAIL
        now = time.monotonic()
        is_last = self.done == self.total
        if not is_last and now - self.last < (0.2 if self.is_terminal else LINE_SECONDS):
            return
        self.last = now
        left = (now - self.started) / self.weight_done * (self.weight - self.weight_done)
        text = f"{group}: {self.done} of {self.total} cases, {self.failed} failed, about {left:.0f} s left"
        end = "\n" if is_last or not self.is_terminal else ""
        print(f"\r\033[K{text}" if self.is_terminal else text, end=end, file=sys.stderr, flush=True)


def run_group(cases, image, jobs):
    """The records of these cases, as they end. Whoever stops listening stops the rest."""
    pool = concurrent.futures.ThreadPoolExecutor(jobs)
    try:
        running = [pool.submit(run_case, case, image) for case in cases]
        for future in concurrent.futures.as_completed(running):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def run_all(plan, image, results, jobs):
    """Run what has not passed yet; groups one after another. Returns the records of this plan that failed."""
    todo = [case for case in plan if not results.is_done(case)]
    if len(todo) < len(plan):
        print(f"{len(plan) - len(todo)} cases passed before with this image; FRESH=1 runs them again")
    results.plan(plan, jobs)
    progress = Progress(todo)
    failed = []
    for group in dict.fromkeys(case.group for case in todo):
        before = cpu_seconds()
        for result in run_group([case for case in todo if case.group == group], image, jobs):
            results.add(result)
            progress.add(result["result"], group)
            if result["result"] == FAIL:
                failed.append(result)
            if len(failed) == MOST_FAILURES:
                break
        results.add_cpu(group, cpu_seconds() - before)
        results.write_run()
        if len(failed) == MOST_FAILURES:
            print(f"stopped after {MOST_FAILURES} failures")
            break
    results.write_junit()
    return failed


def report(results, failed, seed):
    """What a person reads at the end."""
    print(f"\n{'group':12} {'cases':>6} {'passed':>7} {'refused':>8} {'failed':>7} {'CPU s':>8}")
    for name, group in results.groups().items():
        print(f"{name:12} {group['count']:6} {group['pass']:7} {group['refused']:8} {group['fail']:7} "
              f"{group['cpu_seconds']:8.1f}")
    print(f"seed {seed}; results in {results.folder}")
    for result in failed:
        print(f"\nFAILED {result['id']}: {result['reason']}\n  repeat it: {result['command']}")
    groups = results.groups().values()
    print(f"{sum(group['pass'] + group['refused'] for group in groups)} passed, "
          f"{sum(group['fail'] for group in groups)} failed")


def show_case(case):
    """`make case`: one case, with its log on the terminal. True when it did not fail."""
    outcome = outcome_of(case)
    print(outcome.text)
    said = "; ".join(outcome.defects) or (f"refused, as expected: {outcome.refused}" if outcome.refused else "passed")
    print(f"{case.id}: {said}")
    return not outcome.defects
