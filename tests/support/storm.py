"""Thousands of steps with a fault in each: what is lost, doubled, out of order, stuck, paid twice.

    cd tests && python -m support.storm [STEPS [SECONDS]]     (10,000 steps, at most 480 s)

Two supervisors, each with a database of its own behind pgbouncer, play agents that count: every
run of an agent replaces "count: n" by "count: n + 1" in its memory, does the same with its own
number in a block that all agents share, and says the number. Each step is first taken by a
process that is killed, put to sleep past its lease, cut off from the database, or that never
hears the answer to a statement, at a random point; its clock is half a minute wrong. Then time
passes, bells are heard once or twice, and one or two other workers (at the same time) go on. In
the end every history, block and run is compared with what it has to be.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.bouncer import Bouncer, pgbouncer_program
from support.fault_bench import Bench, Cast, Play
from support.lossy_proxy import LossyProxy
from support.nursery import Nursery
from support.pg import Databases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.nursery import Job
    from support.pg import Database

AGENTS = 6
# Of a run of three, before it counts as stuck.
MOST_STEPS = 12
# What happens to the worker that takes a step first, and how often.
FAULTS = {"kill": 40, "exit": 5, "stop": 25, "cut": 15, "deaf": 15}
# The points of one step that a bell asks for; a run's last step passes no bell.
POINTS_OF_A_STEP = 7
REPLY_LOST = {"in_reply", "after_reply", "before_commit"}
PLAY = Play("storm", (), "", tools=("memory_replace",))


@dataclass
class Tally:
    """What a storm came to."""

    steps: int = 0
    runs: int = 0
    took_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    paid_twice: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            steps=self.steps + other.steps,
            runs=self.runs + other.runs,
            took_s=max(self.took_s, other.took_s),
            faults=self.faults + other.faults,
            asked=self.asked + other.asked,
            paid_twice=self.paid_twice + other.paid_twice,
            problems=self.problems + other.problems,
        )

    def __str__(self) -> str:
        places = Counter[str]()
        kinds = Counter[str]()
        for fault, count in self.faults.items():
            how, _, point = fault.partition(" ")
            kinds[how] += count
            places[point] += count
        lines = [
            f"{self.steps} steps of {self.runs} runs in {self.took_s:.0f} s,"
            f" {self.faults.total()} faults (a doubled bell or a race may take the next step too)",
            "  by kind:  " + _listed(kinds),
            "  by point: " + _listed(places),
            f"  messages lost, doubled or out of order, blocks wrong, runs stuck:"
            f" {len(self.problems)}",
            *(f"    {problem}" for problem in self.problems[:10]),
            f"  model calls: {self.asked}, {self.asked - self.steps} beyond the steps; why: "
            + _listed(self.paid_twice),
        ]
        return "\n".join(lines)

    def as_json(self) -> str:
        return json.dumps(self.__dict__)

    @classmethod
    def from_json(cls, text: str) -> Tally:
        values: dict[str, Any] = json.loads(text)
        for name in ("faults", "paid_twice"):
            values[name] = Counter(values[name])
        return cls(**values)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


class Storm:
    """One supervisor: agents, a struck worker for each step, and others who go on."""

    def __init__(self, bench: Bench, proxy: LossyProxy, seed: int) -> None:
        self.bench, self.proxy = bench, proxy
        self.dice = random.Random(seed)  # noqa: S311  not for secrets
        self.tally = Tally()
        self.cast = Cast([], [])
        self.asked_for = [0] * AGENTS  # runs, by agent
        self._asked_before = 0
        self._lock = threading.Lock()

    def gather(self) -> None:
        """The agents, all of them sharing one block."""
        bench = self.bench
        for _ in range(AGENTS // 2):
            cast = bench.cast(PLAY)
            self.cast.agents += cast.agents
            self.cast.conversations += cast.conversations
        bench.admin.execute(
            "update remanence.blocks"
            " set value = case label when 'human' then 'count: 0' else %s end",
            ["".join(f"<{who}=0>" for who in range(AGENTS))],
        )
        team = "select id from remanence.blocks where label = 'team' order by id limit 1"
        bench.admin.execute(
            f"update remanence.agents_blocks set block_id = ({team}) where label = 'team'".encode()
        )

    def run(self, steps: int, until: float) -> Tally:
        """Until so many steps are done, or the clock says so."""
        began = time.monotonic()
        self.gather()
        while self.tally.faults.total() < steps and time.monotonic() < until:
            who = self.dice.randrange(AGENTS)
            self._ask(who)
            for _ in range(MOST_STEPS):
                if self._is_idle(who):
                    break
                self._step(who)
        self.tally.took_s = time.monotonic() - began
        self._check()
        return self.tally

    # --- one step ---

    def _ask(self, who: int) -> None:
        """A client asks for a run, and sometimes asks again because it heard no answer."""
        number = self.asked_for[who] = self.asked_for[who] + 1
        text = (
            f"{number}"
            f' [[script: call memory_replace {{"label":"human","old_string":"count: {number - 1}",'
            f'"new_string":"count: {number}"}}]]'
            f' [[then: call memory_replace {{"label":"team","old_string":"<{who}={number - 1}>",'
            f'"new_string":"<{who}={number}>"}}]]'
            f" [[then: say {number}]]"
        )
        spec = {"do": "enqueue", "text": text, "key": f"{who}-{number}", **self._place(who)}
        for _ in range(self.dice.choice([1, 1, 2])):
            self._peaceful(0, spec)
        self.tally.runs += 1

    def _place(self, who: int) -> dict[str, str]:
        return {
            "agent_id": self.cast.agents[who],
            "conversation_id": self.cast.conversations[who],
        }

    def _step(self, who: int) -> None:
        """One step: struck first, then taken by others, until it is committed."""
        wanted = self._done(who) + 1
        how = self.dice.choices([*FAULTS], [*FAULTS.values()])[0]
        asked = 0
        point = "a statement"
        if how == "deaf":
            asked += self._deaf(who)
        else:
            job = self.bench.nursery.run(  # type: ignore[union-attr]
                {
                    "do": "advance",
                    "uri": self.bench.worker_uri,
                    "skew_s": self.dice.choice([-30, 30]),
                    "die_at": self.dice.randint(1, POINTS_OF_A_STEP),
                    "how": how,
                    **self._place(who),
                }
            )
            point = self._strike(job, how, who)
            asked += len(job.said("asked"))
        self.tally.faults[f"{how} {point}"] += 1
        for _ in range(20):
            if self._done(who) >= wanted:
                break
            asked += self._others(who)
        asked_now = self._peaceful_asked() + asked
        self.tally.asked += asked_now
        done = self._done(who) - wanted + 1
        self.tally.steps += done
        if asked_now > done:
            self.tally.paid_twice[f"{how} {point}"] += asked_now - done

    def _strike(self, job: Job, how: str, who: int) -> str:
        """The point where the worker was struck; a sleeper has woken up again by then."""
        place = job.die_at
        if how == "stop":
            job.wait_until(lambda: job.status is not None or len(job.said("reach")) >= place)
            if job.status is None:
                job.wait_until_stopped()
                self._others(who)
                job.signal(signal.SIGCONT)
        job.wait()
        reached = job.said("reach")
        return str(reached[place - 1]) if len(reached) >= place else "none"

    def _deaf(self, who: int) -> int:
        """A worker behind a proxy that breaks at one of its statements."""
        self.proxy.arm(self.dice.randint(1, 2), self.dice.choice(["before", "after"]))
        return self._peaceful(2, {"do": "advance", **self._place(who)})

    def _others(self, who: int) -> int:
        """Time passes, the sweep rings, and one or two workers hear it, once or twice."""
        self.bench.time_passes()
        bell = {"do": "advance", **self._place(who)}
        for _ in range(self.dice.choice([1, 1, 1, 1, 2])):
            if self.dice.random() < 0.25:
                racers = [
                    threading.Thread(target=self._peaceful, args=(number, bell))
                    for number in (0, 1)
                ]
                for racer in racers:
                    racer.start()
                for racer in racers:
                    racer.join()
            else:
                self._peaceful(self.dice.randrange(2), bell)
        return 0

    def _peaceful(self, number: int, spec: dict[str, Any]) -> int:
        lines: list[dict[str, Any]] = []
        self.bench.workers[number].do(dict(spec), lambda **said: lines.append(said))
        with self._lock:
            self._asked_before += sum("asked" in line for line in lines)
        return 0

    def _peaceful_asked(self) -> int:
        with self._lock:
            asked, self._asked_before = self._asked_before, 0
        return asked

    def _done(self, who: int) -> int:
        row = self.bench.admin.execute(
            "select count(*) as done from remanence.steps where conversation_id = %s",
            [self.cast.conversations[who]],
        ).fetchone()
        assert row is not None
        return int(row["done"])

    def _is_idle(self, who: int) -> bool:
        row = self.bench.admin.execute(
            "select count(*) as open_runs from remanence.runs"
            " where conversation_id = %s and status in ('created', 'running')",
            [self.cast.conversations[who]],
        ).fetchone()
        assert row is not None
        return row["open_runs"] == 0

    # --- the end ---

    def _check(self) -> None:
        """Every message, every block and every run is as if nothing had happened."""
        for _ in range(20):  # what the last strikes have left
            self.bench.time_passes()
            for who in range(AGENTS):
                self._peaceful(0, {"do": "advance", **self._place(who)})
        stored = self.bench.snapshot(self.cast)
        problems = list(stored.problems)
        for who, runs in enumerate(self.asked_for):
            said = [
                (message[2], message[3]) for message in stored.messages if message[0] == who + 1
            ]
            problems += list(_differences(who, said, list(_history(who, runs))))
            human = next(b for b in stored.blocks if b[0] == who + 1 and b[1] == "human")
            if human[2] != f"count: {runs}" or human[3] != runs + 1:
                problems.append(f"agent {who}: {human[2]!r}, version {human[3]} of {runs} runs")
        team = next(block for block in stored.blocks if block[1] == "team")
        wanted = "".join(f"<{who}={runs}>" for who, runs in enumerate(self.asked_for))
        if team[2] != wanted or team[3] != sum(self.asked_for) + 1:
            problems.append(f"the shared block: {team[2]!r} instead of {wanted!r}")
        self.tally.problems += problems


def _history(who: int, runs: int) -> Iterator[tuple[str, str]]:
    """Role and the beginning of each message that has to be there."""
    for number in range(1, runs + 1):
        yield "user", f"text::{number} [[script"
        yield "assistant", "tool_call:memory_replace:"
        yield "tool", f"tool_return:memory_replace:count: {number}"
        yield "assistant", "tool_call:memory_replace:"
        yield "tool", "tool_return:memory_replace:<0="
        yield "assistant", f"text::{number}"


def _differences(
    who: int, said: list[tuple[str, str]], wanted: list[tuple[str, str]]
) -> Iterator[str]:
    said = [message for message in said if message[0] != "system"]  # notes of other agents' edits
    if len(said) != len(wanted):
        yield f"agent {who}: {len(said)} messages instead of {len(wanted)}"
    for place, (found, should) in enumerate(zip(said, wanted, strict=False)):
        if found[0] != should[0] or not found[1].startswith(should[1]):
            yield f"agent {who}, message {place}: {found} instead of {should}"
            return


def supervise(
    databases: Databases, database: Database, *, steps: int, seconds: float, seed: int
) -> Tally:
    """One storm on one database."""
    with ExitStack() as stack:
        uri = database.app_uri
        program = pgbouncer_program()
        if program is not None:
            bouncer = stack.enter_context(Bouncer.started(program, databases.pg, pool_size=4))
            uri = bouncer.uri(uri)
        nursery = stack.enter_context(Nursery.started())
        bench = Bench(nursery, database.admin_uri, uri)
        stack.callback(bench.close)
        proxy = LossyProxy(uri)
        stack.callback(proxy.close)
        bench.hire_behind(proxy.uri)
        return Storm(bench, proxy, seed).run(steps, time.monotonic() + seconds)


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        steps, seconds, seed = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
        with Databases.started() as databases:
            tally = supervise(databases, databases.clone(), steps=steps, seconds=seconds, seed=seed)
        print(tally.as_json())
        return
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 480.0
    command = [sys.executable, "-m", "support.storm", "--one", str(steps // 2), str(seconds)]
    running = [
        subprocess.Popen(
            [*command, str(seed)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
        )
        for seed in (1, 2)
    ]
    tally = Tally()
    for process in running:
        said, _ = process.communicate()
        tally += Tally.from_json(said.decode().splitlines()[-1])
    print(tally)
    sys.exit(bool(tally.problems))


if __name__ == "__main__":
    main()
