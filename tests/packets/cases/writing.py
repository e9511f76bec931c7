"""Cases as TOML. See `control/src/check/suite.rs` for what the keys mean."""

import itertools

# Shorter runs of one byte are easier to read as they are.
RUN = 24


class Step:
    """A moment of a case; keys as in the file."""

    def __init__(self, frame=None, out=(), verdicts=None, **keys):
        self.frame, self.keys = frame, keys
        self.out = [entry if isinstance(entry, tuple) else (0, entry) for entry in out]
        self.verdicts = {verdicts: 1} if isinstance(verdicts, str) else verdicts or {}


class Case:
    """What is shown, where, and the steps that show it."""

    def __init__(self, name, *steps, setup="plain", **keys):
        self.name, self.steps, self.setup, self.keys = name, steps, setup, keys


def hexed(frame):
    """Bytes as the suite writes them; `None` among them is a byte that is not compared."""
    text = ""
    for byte, group in itertools.groupby(frame):
        count = len(list(group))
        one = "??" if byte is None else f"{byte:02x}"
        text += one * count if count < RUN else f"{{{one}*{count}}}"
    return text


def value(thing):
    """A value of TOML."""
    if isinstance(thing, bool):
        return "true" if thing else "false"
    if isinstance(thing, int):
        return str(thing)
    if isinstance(thing, (list, tuple)):
        return "[" + ", ".join(value(item) for item in thing) + "]"
    if isinstance(thing, dict):
        pairs = (f"{key if key.isidentifier() else value(key)} = {value(item)}" for key, item in thing.items())
        return "{ " + ", ".join(pairs) + " }"
    return '"' + str(thing) + '"'


def frame_bytes(frame):
    return frame if isinstance(frame, (bytes, list)) else bytes(frame)


def step_lines(step):
    yield "[[case.step]]"
    for key, item in step.keys.items():
        yield f"{key} = {value(item)}"
    if step.frame is not None:
        yield f'frame = "{hexed(frame_bytes(step.frame))}"'
    if step.verdicts:
        yield f"verdicts = {value(step.verdicts)}"
    for port, frame in step.out:
        yield "[[case.step.out]]"
        if port:
            yield f"port = {port}"
        yield f'frame = "{hexed(frame_bytes(frame))}"'


def setup_lines(name, setup):
    yield f"[setup.{name}]"
    for key, item in setup.items():
        if key not in ("port", "service"):
            yield f"{key} = {value(item)}"
    for table in ("port", "service"):
        if not setup[table]:
            yield f"{table} = []"
    for table in ("port", "service"):
        for entry in setup[table]:
            yield f"[[setup.{name}.{table}]]"
            yield from (f"{key} = {value(item)}" for key, item in entry.items())
    yield ""


def case_lines(case):
    yield "[[case]]"
    yield f"name = {value(case.name)}"
    yield f"setup = {value(case.setup)}"
    yield from (f"{key} = {value(item)}" for key, item in case.keys.items())
    for step in case.steps:
        yield from step_lines(step)
    yield ""


def document(subject):
    """The file of a subject."""
    lines = [f"# {subject.__doc__.strip().splitlines()[0]}", "# Written by tests/packets/make.py.", ""]
    for name, setup in subject.SETUPS.items():
        lines += setup_lines(name, setup)
    cases = list(subject.cases())
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), f"{subject.__name__}: two cases have the same name"
    for case in cases:
        lines += case_lines(case)
    return "\n".join(lines).rstrip() + "\n"
