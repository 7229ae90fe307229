#!/usr/bin/python3
"""What Berth does between a guest's exit and its next entry ends soon, waits for nobody, takes no memory and fits its
stack: read from the linked image's instructions.

    exit_path.py IMAGE RULES [--stacks include/x86/stacks.h]

IMAGE has its symbols and line numbers. RULES (tests/check/exit_path.rules) says where the path begins, which functions
end the machine, which are forbidden, where pointers lead, and why each loop ends. Refused are recursion, calls through
pointers, loops that RULES does not explain, stack that an instruction changes by an amount not known, and too much
stack. Functions and their calls are those that the compiler has left; a loop belongs to the function in whose source
it stands, inlined or not.
"""
import argparse
import fnmatch
import pathlib
import re
import subprocess
import sys

SYMBOL = re.compile(r"^([0-9a-f]+) <([^>]+)>:$")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(.*?)\s*$")
PREFIXES = re.compile(r"^(?:(?:lock|data16|cs|ds|es|notrack|bnd|rex\S*) )+")
TARGET = re.compile(r"^\S+ +([0-9a-f]+) <")
JUMP = re.compile(r"^(j[a-z]+|loop[a-z]*) ")
CALL = re.compile(r"^call[q]? ")
INDIRECT = re.compile(r"^(call|jmp)q? +\*")
REPEATED = re.compile(r"^rep[a-z]* (ins|movs|outs|lods|stos|cmps|scas)")
LAST = re.compile(r"^(ret|jmp|iret|ud2|sysret|ljmp)")
RETURN = re.compile(r"^i?ret")
PUSH = re.compile(r"^push")
TAKE = re.compile(r"^(?:sub +\$(0x[0-9a-f]+)|add +\$(0xffffffff[0-9a-f]{8})),%rsp$")
GIVE = re.compile(r"^(?:add +\$0x[0-9a-f]{1,7},%rsp|sub +\$0xffffffff[0-9a-f]{8},%rsp|lea +-?0x[0-9a-f]+\(%rbp\),%rsp|"
                  r"pop\b|leave|mov +%rbp,%rsp)")
CHANGES_STACK = re.compile(r",%rsp$")
SLOT_BYTES = 8
# What a compiler adds to the name of a function that it has split or specialised.
CLONE = re.compile(r"\.(part|isra|constprop|cold|llvm)\b.*$")


class Refused(Exception):
    pass


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


class Rules:
    """Lines of a file: see tests/check/exit_path.rules."""

    KINDS = ("begin", "end", "never", "loop", "cut", "through", "above", "margin")
    REASONED = ("loop", "cut", "through", "margin")

    def __init__(self, text):
        self.of = {kind: {} for kind in self.KINDS}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            kind, _, rest = line.partition(" ")
            if kind not in self.KINDS:
                raise Refused(f"rules, line {number}: there is no '{kind}'")
            names, _, words = (part.strip() for part in rest.partition(":"))
            if kind in self.REASONED and not words:
                raise Refused(f"rules, line {number}: {kind} {names}: why?")
            if kind == "through":
                self.of[kind][names.split()[0]] = names.split()[1:]
            else:
                self.of[kind].update(dict.fromkeys(names.split(), words))

    def names(self, kind):
        return self.of[kind]


class Function:
    """Instructions from one symbol to the next; and others that only this one jumps to."""

    def __init__(self, address, symbol, is_function):
        self.address, self.symbol, self.is_function = address, symbol, is_function
        self.name = CLONE.sub("", symbol)
        self.instructions = {}


class Image:
    def __init__(self, path):
        self.path = path
        typed = set()
        for line in run("readelf", "-sW", path).splitlines():
            fields = line.split()
            if len(fields) >= 8 and fields[3] == "FUNC":
                typed.add(int(fields[1], 16))
        self.functions, self.holder, current = {}, {}, None
        for line in run("objdump", "-d", "--no-show-raw-insn", path).splitlines():
            if symbol := SYMBOL.match(line):
                address = int(symbol[1], 16)
                current = self.functions[address] = Function(address, symbol[2], address in typed)
            elif current and (found := INSTRUCTION.match(line)):
                address = int(found[1], 16)
                current.instructions[address] = PREFIXES.sub("", found[2].split("#")[0].strip())
                self.holder[address] = current
        self.following = {}
        addresses = sorted(self.holder)
        for address, following in zip(addresses, addresses[1:]):
            self.following[address] = following
        self.join()

    def target(self, text):
        found = TARGET.match(text)
        return int(found[1], 16) if found else None

    def join(self):
        """Code that is jumped to or run into, and never called, belongs to who does so."""
        called, joins = set(), []
        for address, function in list(self.holder.items()):
            text = function.instructions[address]
            if CALL.match(text):
                called.add(self.target(text))
            elif JUMP.match(text) and (to := self.holder.get(self.target(text))) not in (None, function):
                joins.append((function, to))
            following = self.holder.get(self.following.get(address))
            if following not in (None, function) and not following.is_function and not LAST.match(text):
                joins.append((function, following))
        for function, other in joins:
            while function.address not in self.functions:
                function = self.holder[function.address]
            other = self.holder[other.address]
            if other is not function and other.address not in called and (
                    not other.is_function or other.symbol != other.name):
                function.instructions.update(other.instructions)
                self.holder.update(dict.fromkeys(other.instructions, function))
                del self.functions[other.address]

    def lines(self, addresses):
        """{address: [(function, file:line), ...]}, the outermost function first, which the others are inlined into."""
        asked = "\n".join(f"{address:#x}" for address in addresses)
        found, chain = {}, None
        text = run("addr2line", "-a", "-f", "-i", "-e", self.path, input=asked).splitlines()
        at = 0
        while at < len(text):
            if text[at].startswith("0x"):
                chain = found.setdefault(int(text[at], 16), [])
                at += 1
            else:
                chain.insert(0, (CLONE.sub("", text[at]), text[at + 1].split(" (")[0]))
                at += 2
        return found


def back_edges(start, after):
    """(instruction, earlier one that it leads back to), each of them a loop; and all that is reached from the start."""
    found, open_nodes, seen = [], {start}, {start}
    work = [(start, iter(after(start)))]
    while work:
        node, rest = work[-1]
        for to in rest:
            if to in open_nodes:
                found.append((node, to))
            if to not in seen:
                seen.add(to)
                open_nodes.add(to)
                work.append((to, iter(after(to))))
                break
        else:
            open_nodes.remove(node)
            work.pop()
    return found, seen


class Path:
    """Everything that can be reached from one function, without what ends the machine."""

    def __init__(self, image, rules):
        self.image, self.rules = image, rules
        self.ends, self.cuts, self.wrong = set(), set(), []
        self.loops, self.seen, self.returning = {}, {}, {}

    def refuse(self, function, address, what):
        places = self.image.lines([address])[address]
        self.wrong.append(f"{function.name}, {places[-1][1]}: {what}")

    def by_name(self, name):
        found = [function for function in self.image.functions.values() if function.name == name]
        if not found:
            raise Refused(f"the image has no function {name}, which the rules name")
        return found

    def callees(self, function):
        """(address of the instruction, function called) for each call, and each jump to another function."""
        for address, text in function.instructions.items():
            if INDIRECT.match(text):
                inlined = [name for name, _ in self.image.lines([address])[address]]
                known = [name for name in [function.name, *inlined] if name in self.rules.names("through")]
                if not known:
                    self.refuse(function, address, f"{inlined[-1]} calls through a pointer")
                for name in known and self.rules.names("through")[known[-1]]:
                    yield from ((address, called) for called in self.by_name(name))
            elif CALL.match(text) or JUMP.match(text):
                called = self.image.holder.get(self.image.target(text))
                if called is None:
                    self.refuse(function, address, f"leaves the image's code ({text})")
                elif CALL.match(text) or called is not function:
                    yield address, called

    def successors(self, function, address):
        text = function.instructions[address]
        found = []
        if JUMP.match(text) and self.image.holder.get(self.image.target(text)) is function:
            found.append(self.image.target(text))
        called = self.image.holder.get(self.image.target(text)) if CALL.match(text) else None
        ends = called is not None and not self.returns(called)
        following = self.image.following.get(address)
        if not ends and not LAST.match(text) and following in function.instructions:
            found.append(following)
        if REPEATED.match(text):
            found.append(address)
        return found

    def returns(self, function):
        """Can it come back? What calls one that cannot goes no further."""
        if function.address not in self.returning:
            self.returning[function.address] = True
            _, reached = back_edges(function.address, lambda address: self.successors(function, address))
            self.returning[function.address] = function.name not in self.rules.names("end") and any(
                RETURN.match(function.instructions[address]) or self.leads_out(function, address)
                for address in reached)
        return self.returning[function.address]

    def leads_out(self, function, address):
        text = function.instructions[address]
        return bool(INDIRECT.match(text) and text.startswith("jmp") or
                    JUMP.match(text) and self.image.holder.get(self.image.target(text)) is not function)

    def loops_of(self, function):
        """The instructions of each loop: what leads to its last one without passing its first."""
        edges, reached = back_edges(function.address, lambda address: self.successors(function, address))
        before = {address: [] for address in reached}
        for address in reached:
            for to in self.successors(function, address):
                before[to].append(address)
        for last, first in edges:
            loop, pending = {first}, [last]
            while pending:
                address = pending.pop()
                if address not in loop:
                    loop.add(address)
                    pending += before[address]
            yield loop

    def loops_check(self, function):
        loops = list(self.loops_of(function))
        if not loops:
            return
        places = self.image.lines(sorted(set().union(*loops)))
        for loop in loops:
            chains = [places[address] for address in loop]
            owners = [names[0] for names in zip(*([name for name, _ in chain] for chain in chains))
                      if len(set(names)) == 1]
            owner = owners[-1] if owners and owners[-1] != "??" else function.name
            if owner in self.rules.names("end"):
                self.ends.add(owner)
            elif owner in self.rules.names("loop"):
                self.loops[owner] = self.rules.names("loop")[owner]
            else:
                line = places[min(loop)][len(owners) - 1][1]
                self.wrong.append(f"{function.name}, {line}: a loop of {owner}, and no rule says why it ends")

    def frame_bytes(self, function):
        """The return address and all that is pushed or taken, as if none of it were given back before the end."""
        size = SLOT_BYTES
        for address, text in function.instructions.items():
            if PUSH.match(text):
                size += SLOT_BYTES
            elif taken := TAKE.match(text):
                size += int(taken[1], 16) if taken[1] else (1 << 64) - int(taken[2], 16)
            elif CHANGES_STACK.search(text) and not GIVE.match(text) and not text.startswith(("cmp ", "test ")):
                self.refuse(function, address, f"the stack changes by an amount that is not known ({text})")
        return size

    def walk(self, function, callers=()):
        """The deepest chain from here: (bytes, [(name, bytes), ...])."""
        if function.address in self.seen:
            return self.seen[function.address]
        if function in callers:
            raise Refused("recursion: " + " > ".join(one.name for one in [*callers, function]))
        for pattern in self.rules.names("never"):
            if fnmatch.fnmatchcase(function.name, pattern):
                self.wrong.append(f"{function.name} is reached: " +
                                  " > ".join(one.name for one in [*callers, function]))
                return 0, []
        deepest = (0, [])
        for _, called in sorted(self.callees(function), key=lambda pair: pair[1].address):
            if called.name in self.rules.names("end"):
                self.ends.add(called.name)
            elif called.name in self.rules.names("cut"):
                self.cuts.add(called.name)
            else:
                deepest = max(deepest, self.walk(called, (*callers, function)), key=lambda chain: chain[0])
        self.loops_check(function)
        frame = self.frame_bytes(function)
        self.seen[function.address] = frame + deepest[0], [(function.name, frame), *deepest[1]]
        return self.seen[function.address]


def stack_sizes(text):
    return {name: int(size, 0) for name, size in re.findall(r"^#define (\w+_STACK_BYTES) +UC\((\w+)\)", text, re.M)}


def check(image_path, rules_text, stacks_text):
    """The lines to print. Raises Refused."""
    rules, sizes = Rules(rules_text), stack_sizes(stacks_text)
    path = Path(Image(image_path), rules)
    if not rules.names("begin") or not rules.names("above") or len(rules.names("margin")) != 1:
        raise Refused("rules: begin, above or margin is missing")
    chains = {name: max(path.walk(function) for function in path.by_name(name)) for name in rules.names("begin")}
    depth, chain = max(chains.values())
    said = [f"exit-path: {len(path.seen)} functions from {', '.join(chains)}"]
    said += ["  deepest: " + " > ".join(f"{name} {size}" for name, size in chain) + f": {depth} bytes"]
    margin = int(next(iter(rules.names("margin"))), 0)
    for stack, names in rules.names("above").items():
        above = sum(path.frame_bytes(path.by_name(name)[0]) for name in names.split())
        said += [f"  {stack}: {sizes[stack]} bytes, {above} above it, {margin} kept for a report"]
        if above + depth + margin > sizes[stack]:
            path.wrong.append(f"{stack}: {above} + {depth} + {margin} bytes are more than {sizes[stack]}")
    unused = set(rules.names("loop")) - set(path.loops)
    said += [f"  loop of {name}: {why}" for name, why in sorted(path.loops.items())]
    said += [f"  not followed: {name}: {rules.names('cut')[name]}" for name in sorted(path.cuts)]
    said += [f"  not followed, because the guest or the machine ends there: {', '.join(sorted(path.ends)) or 'none'}"]
    if unused:
        said += [f"  loops that this build does not have: {', '.join(sorted(unused))}"]
    if path.wrong:
        raise Refused("\n".join(dict.fromkeys(path.wrong)))
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("rules", type=pathlib.Path)
    parser.add_argument("--stacks", type=pathlib.Path, default=pathlib.Path("include/x86/stacks.h"))
    arguments = parser.parse_args()
    try:
        print("\n".join(check(arguments.image, arguments.rules.read_text(), arguments.stacks.read_text())))
    except Refused as refused:
        sys.exit("\n".join(f"exit-path: {line}" for line in str(refused).splitlines()))


if __name__ == "__main__":
    main()
