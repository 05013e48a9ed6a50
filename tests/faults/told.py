"""What clients were told, and what they must never be told after it."""

import threading

SUCCEEDED = 3
ENDED = (3, 4, 5)  # SUCCEEDED, FAILED, CANCELLED
# PENDING before RUNNING before the ends; PAUSED is as far as RUNNING.
RANK = {1: 0, 2: 1, 6: 1, 3: 2, 4: 2, 5: 2}


class Told:
    """The violations that all clients have found."""

    def __init__(self):
        self._lock = threading.Lock()
        self.violations = []
        self._names = {}  # by request id
        self.counts = {}

    def count(self, what, by=1):
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + by

    def violate(self, text):
        with self._lock:
            self.violations.append(text)

    def submitted(self, request_id, name):
        """One request, one job; one job, one request."""
        with self._lock:
            first = self._names.setdefault(request_id, name)
            taken = [r for r, n in self._names.items() if n == name and r != request_id]
        if first != name:
            self.violate(f"request {request_id} made {first} and then {name}")
        if taken:
            self.violate(f"{name} is the job of {request_id} and of {taken[0]}")


class JobMemory:
    """One job, as the one client that has asked for it knows it. Not thread-safe."""

    def __init__(self, told, name, kind):
        self.told = told
        self.name = name
        self.kind = kind  # equal kinds must come to equal ends
        self.state = None
        self.backwards = False  # somebody asked for it: resume, retry
        self.cancel_asked = False
        self.delete_asked = False
        self.deleted = False
        self.events = []  # what each event was, in order
        self.candidates = set()
        self.outcome = None  # once SUCCEEDED, for good

    def violate(self, text):
        self.told.violate(f"{self.name}: {text}")

    def missing(self):
        """The server says there is no such job."""
        if not self.delete_asked:
            self.violate("acknowledged and lost")
        self.deleted = True

    def seen(self, job):
        if self.deleted:
            self.violate("deleted, and there again")
        state = job.state
        if self.state == SUCCEEDED and state != SUCCEEDED:
            self.violate(f"SUCCEEDED, and then {state}")
        if self.state is not None and RANK[state] < RANK[self.state] and not self.backwards:
            self.violate(f"went back from {self.state} to {state}")
        if self.state == 5 and state != 5 and not self.backwards:
            self.violate(f"CANCELLED, and then {state}")
        if state == 5 and not self.cancel_asked:
            self.violate("CANCELLED without anybody having asked for it")
        self.state = state

    def heard(self, number, event):
        """An event of a watch that began at `number` or before it."""
        if number <= len(self.events):
            if self.events[number - 1] != event:
                self.violate(f"event {number} was {self.events[number - 1]!r} and is {event!r}")
        elif number == len(self.events) + 1:
            self.events.append(event)
        else:
            self.violate(f"event {number} follows event {len(self.events)}")

    def listed(self, numbers):
        """Candidates never go."""
        if lost := self.candidates - set(numbers):
            self.violate(f"candidates {sorted(lost)} are lost")
        self.candidates = set(numbers)

    def ended(self, outcome):
        """All that a job that SUCCEEDED came to, as text without its name."""
        if self.outcome is not None and self.outcome != outcome:
            self.violate(f"its outcome was\n{self.outcome}\nand is\n{outcome}")
        self.outcome = outcome
