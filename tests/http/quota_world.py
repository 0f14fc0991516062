"""A world in which processes share a quota, on a virtual clock: it drives the real book and its real holders.

Time is real time in seconds; the database and every process have clocks of their own. Processes die, stop and are cut
off from the database; its clock jumps, and it forgets what it committed last; the server counts as it likes, and a
program that knows nothing of the book uses the same quota.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from planhat_orm.http.clock import Clock
from planhat_orm.http.quota_book import LASTS, Book, Grant, Report, Tick
from planhat_orm.http.shared_quota import SharedQuota

L, P = 200, 60.0
BACKOFF = 15.0


class ProcessClock(Clock):
    """A process's own clock, which runs a little too fast or too slow."""

    def __init__(self, world: World, rate: float) -> None:
        super().__init__()
        self._world, self._rate = world, rate

    def now(self) -> float:
        return self._world.now * self._rate

    uptime = now


class Server:
    """Planhat's side: it counts in a sliding window, or in fixed ones."""

    def __init__(self, mode: str, window: float, headers: str, rng: random.Random) -> None:
        self.mode, self.window, self.headers = mode, window, headers
        self.phase = rng.uniform(0, window)
        self.calls: deque[float] = deque()
        self.ours: list[float] = []
        self.refused = self.good = 0

    def see(self, t: float, ours: bool) -> tuple[bool, int, float]:
        since = t - self.window if self.mode == "sliding" else t - (t + self.phase) % self.window
        while self.calls and self.calls[0] <= since:
            self.calls.popleft()
        if ours:
            self.ours.append(t)
        if self.mode == "sliding":
            reset = self.calls[0] + self.window - t if self.calls else 0.0
        else:
            reset = self.window - (t + self.phase) % self.window
        if len(self.calls) >= L:
            self.refused += ours
            return False, 0, reset
        self.calls.append(t)
        self.good += ours
        return True, max(0, L - len(self.calls)), reset


class Nobody:
    """No keeper of a book: the world carries each question there and back itself."""

    def ask(self, report: Report, now: Callable[[], float]) -> None:
        return None

    def close(self) -> None:
        pass


class Process:
    """One process with work to do, and a part of the quota."""

    def __init__(self, world: World, id: int, rng: random.Random) -> None:
        self.world, self.id, self.rng = world, id, rng
        self.alive = True
        self.flying = 0
        self.busy = False
        self.cut_until = self.frozen = -1.0
        self.skew = rng.uniform(-600, 600)
        clock = ProcessClock(world, 1 + rng.uniform(-2e-4, 2e-4))
        self.quota = world.quota(L, clock, Nobody())
        self.quota._be_tended = lambda: None
        self.wakes: set[float] = set()

    def start(self, t: float) -> None:
        self.step(t)
        self.tend(t)
        if self.world.load == "burst":
            self.look(t)

    def look(self, t: float) -> None:
        """See whether there is new work."""
        self.step(t)
        self.world.at(t + 1.0, self.look)

    def tend(self, t: float) -> None:
        """What the thread does that tends a quota."""
        if not self.alive:
            return
        quota = self.quota
        moment = quota.clock.uptime()
        if t >= self.frozen and not self.busy:
            idle = quota._permits > 0 and not self.world.left(self.id, t)
            if idle or quota._is_renewal_due(moment):
                self.ask(t, gives_back=idle)
        self.world.at(t + 0.5, self.tend)

    def wake(self, at: float) -> None:
        at = round(at, 3)
        if at not in self.wakes:
            self.wakes.add(at)
            self.world.at(at, self.woken)

    def woken(self, t: float) -> None:
        self.wakes.discard(round(t, 3))
        self.step(t)

    def step(self, t: float) -> None:
        if not self.alive:
            return
        if t < self.frozen:
            self.wake(self.frozen + 0.001)
            return
        while self.flying < self.world.parallel and self.world.left(self.id, t):
            if self.quota.must_ask():
                self.ask(t)
                return
            wait = self.quota.reserve()
            if wait:
                if not self.busy:
                    self.wake(t + max(wait, 0.002))
                return
            self.world.take(self.id)
            self.flying += 1
            self.world.send(t, self)

    def ask(self, t: float, *, gives_back: bool = False) -> None:
        if self.busy:
            return
        if t < self.cut_until:
            self.wake(t + 1.0)
            return
        report = self.quota.begin((lambda now: 0) if gives_back else None, gives_back=gives_back)
        if report is None:
            return
        self.busy = True
        world = self.world

        def at_database(t2: float) -> None:
            clock = world.database_clock(t2) if "host_clock" not in world.mutants else 1000.0 + t2 + self.skew
            grant = world.transaction(report, clock, self.quota.clock.uptime() + 0.002)
            world.at(t2 + world.latency(self.rng), lambda t3: back(t3, grant))

        def back(t3: float, grant: Grant) -> None:
            if not self.alive:
                return
            if t3 < self.frozen:
                world.at(self.frozen, lambda t4: back(t4, grant))
                return
            self.busy = False
            self.quota.end(report, grant)
            self.step(t3)

        world.at(t + world.latency(self.rng), at_database)

    def answered(self, t: float, started: float, ok: bool, left: int, reset: float) -> None:
        if not self.alive:
            return
        if t < self.frozen:
            self.world.at(self.frozen, lambda t2: self.answered(t2, started, ok, left, reset))
            return
        self.flying -= 1
        headers = self.world.server.headers
        self.quota.release({} if headers == "none" else {"x-rate-limit-remaining": str(left)}, t - started)
        if not ok:
            self.world.give_back(self.id)
            self.quota.block(reset if headers == "reset" else BACKOFF, is_guess=headers != "reset")
            if self.quota.must_ask():
                self.ask(t)
        self.step(t)


class World:
    """Everything, until `minutes` are over or `jobs` are done."""

    def __init__(
        self,
        workers: int = 4,
        seed: int = 0,
        minutes: float = 15.0,
        mode: str = "sliding",
        window: float = 60.0,
        headers: str = "remaining",
        crash: float = 0.0,
        failover: float = 0.0,
        freeze: float = 0.0,
        cut: float = 0.0,
        jump: float = 0.0,
        foreign: float = 0.0,
        parallel: int = 10,
        jobs: int | None = None,
        load: str = "full",
        slow: float = 0.3,
        kill_at: float | None = None,
        book: Callable[[], Book] = Book,
        quota: Any = SharedQuota,
        mutants: tuple[str, ...] = (),
    ) -> None:
        random.seed(seed)
        self.rng = rng = random.Random(seed)
        self.quota, self.mutants = quota, mutants
        self.parallel, self.load, self.slow, self.foreign = parallel, load, slow, foreign
        self.now, self.end = 0.0, minutes * 60
        self.heap: list[tuple[float, int, Callable[[float], None]]] = []
        self.count = itertools.count()
        self.book, self.server = book(), Server(mode, window, headers, rng)
        self.kept = msgspec.json.encode(self.book)
        self.starts = 0
        self.transactions = 0
        self.jobs, self.left_jobs, self.doing = jobs, jobs or 0, 0
        self.finished_at: float | None = None
        self.sent_by: dict[int, int] = {}
        self.arrivals: dict[int, list[int]] = {}
        self.jumps: list[tuple[float, float]] = []
        self.workers = [Process(self, n, random.Random(seed * 97 + n)) for n in range(workers)]
        for worker in self.workers:
            self.at(rng.uniform(0, 0.05) if load != "join" or worker.id == 0 else 120.0 + worker.id, worker.start)
        self._every(crash, lambda t: self.kill(t))
        self._every(cut, self.cut)
        self._every(freeze, self.freeze)
        self._every(foreign, lambda t: self.server.see(t, False))
        for t in self._times(failover):  # the standby lacks the last second or less
            self.at(t - rng.uniform(0.2, 1.0), self.keep)
            self.at(t, self.fail_over)
        t = 0.0
        while jump and t < self.end:  # two within seconds are not told apart
            t += 10.0 + rng.expovariate(jump / 60)
            self.jumps.append((t, rng.choice([45.0, 90.0, 3600.0, -45.0])))
        if kill_at is not None:
            self.at(kill_at, lambda t: self.kill(t, again=False))

    def _times(self, a_minute: float) -> list[float]:
        times, t = [], 0.0
        while a_minute and t < self.end:
            t += self.rng.expovariate(a_minute / 60)
            times.append(t)
        return times

    def _every(self, a_minute: float, act: Callable[[float], Any]) -> None:
        for t in self._times(a_minute):
            self.at(t, act)

    def at(self, t: float, act: Callable[[float], Any]) -> None:
        heapq.heappush(self.heap, (t, next(self.count), act))

    def latency(self, rng: random.Random) -> float:
        return rng.expovariate(1 / 0.002) + (rng.uniform(0.2, 2.0) if rng.random() < 0.01 else 0.0)

    # --- the database -----------------------------------------------------------------------------------

    def database_clock(self, t: float) -> float:
        return 1000.0 + t + sum(seconds for at, seconds in self.jumps if at <= t)

    def transaction(self, report: Report, clock: float, read: float) -> Grant:
        self.transactions += 1
        return self.book.ask(report, Tick(clock=clock, read=read, started=str(self.starts), started_at=-1e9))

    def keep(self, t: float) -> None:
        self.kept = msgspec.json.encode(self.book)

    def fail_over(self, t: float) -> None:
        self.book = msgspec.json.decode(self.kept, type=type(self.book))
        self.starts += 1

    # --- the work ---------------------------------------------------------------------------------------

    def left(self, id: int, t: float) -> int:
        if self.jobs is not None:
            return self.left_jobs
        if self.load == "burst":  # each process: 60 calls every two minutes, staggered
            cycle = int((t + id * 7) // 120)
            used = self.arrivals.setdefault(id, [cycle, 0])
            if used[0] != cycle:
                used[:] = [cycle, 0]
            return max(0, 60 - used[1])
        return 10**6

    def take(self, id: int) -> None:
        if self.jobs is not None:
            self.left_jobs -= 1
            self.doing += 1
        elif self.load == "burst":
            self.arrivals[id][1] += 1

    def give_back(self, id: int) -> None:
        if self.jobs is not None:
            self.left_jobs += 1

    def send(self, t: float, worker: Process) -> None:
        seconds = min(25.0, worker.rng.lognormvariate(-1.2, 0.9) * self.slow / 0.3)
        if worker.rng.random() < 0.003:
            seconds += worker.rng.uniform(5, 20)
        if self.load != "join" or t > self.end / 2:
            self.sent_by[worker.id] = self.sent_by.get(worker.id, 0) + 1

        def arrive(t2: float) -> None:
            ok, left, reset = self.server.see(t2, True)
            self.at(t + seconds, lambda t3: home(t3, ok, left, reset))

        def home(t3: float, ok: bool, left: int, reset: float) -> None:
            if self.jobs is not None:
                self.doing -= 1
                if ok and worker.alive and not self.left_jobs and not self.doing:
                    self.finished_at = t3
            worker.answered(t3, t, ok, left, reset)

        self.at(t + worker.rng.uniform(0.05, 1.0) * seconds, arrive)

    # --- what goes wrong --------------------------------------------------------------------------------

    def kill(self, t: float, *, again: bool = True) -> None:
        worker = self.rng.choice([worker for worker in self.workers if worker.alive])
        worker.alive = False
        if self.jobs is not None:
            self.left_jobs += worker.flying
        if again:
            new = Process(self, len(self.workers), random.Random(self.rng.random()))
            self.workers.append(new)
            self.at(t + 2.0, new.start)

    def freeze(self, t: float) -> None:
        worker = self.rng.choice([worker for worker in self.workers if worker.alive])
        worker.frozen = max(worker.frozen, t + self.rng.uniform(20, 300))

    def cut(self, t: float) -> None:
        worker = self.rng.choice([worker for worker in self.workers if worker.alive])
        worker.cut_until = t + self.rng.uniform(5, 90)

    # --- what came of it --------------------------------------------------------------------------------

    def run(self) -> World:
        while self.heap and self.finished_at is None:
            t, _, act = heapq.heappop(self.heap)
            if t > self.end:
                break
            self.now = t
            act(t)
        return self

    @property
    def worst(self) -> int:
        """The most calls in any 60 seconds of the server's clock."""
        times = sorted(self.server.ours)
        most = first = 0
        for n, t in enumerate(times):
            while times[first] <= t - P:
                first += 1
            most = max(most, n - first + 1)
        return most

    @property
    def use(self) -> float:
        """The part of what the server allows that was made use of."""
        server, window = self.server, self.server.window if self.server.mode == "fixed" else P
        windows = self.end / P
        if server.mode == "fixed":
            windows = int((self.end + server.phase) // window) - int(server.phase // window) + 1
        return server.good / (L * windows - self.foreign * self.end / 60)

    @property
    def fairness(self) -> float:
        """The smallest share over the largest."""
        shares = [self.sent_by.get(worker.id, 0) for worker in self.workers]
        return min(shares) / max(1, max(shares))


assert LASTS < P
