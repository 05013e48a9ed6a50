"""A client of the nemesis: a thread that does what clients do, and holds the server to what it said."""

import hashlib
import random
import re
import threading
import time

import grpc

from told import ENDED, SUCCEEDED, JobMemory

PATIENCE_S = 5
# What a call may come to while servers die and connections break: nothing is known of it then.
UNKNOWN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
           grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
CHANNEL = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50),
           ("grpc.max_reconnect_backoff_ms", 300), ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
# A job may fail of what was done to it, but of nothing else.
FAIR_FAILURES = re.compile(r"workers in a row")


class Client(threading.Thread):
    MOST_JOBS = 3

    def __init__(self, number, port, told, specs, protos, seed):
        super().__init__(daemon=True)
        self.dice = random.Random(f"{seed} {number}")
        self.prefix = f"client{number}"
        self.told = told
        self.specs = specs
        self.messages, services = protos
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL)
        self.stub = services.SearchServiceStub(self.channel)
        self.requests = 0
        self.open = []  # (request id, kind) that have had no answer
        self.jobs = []
        self.kept = []  # verified ones
        self.ending = threading.Event()
        self.expected = {}  # outcome by kind; set before the start

    # Calls: an answer, or None if nothing is known.
    def call(self, method, request, allowed=()):
        try:
            return getattr(self.stub, method)(request, timeout=PATIENCE_S, wait_for_ready=True)
        except grpc.RpcError as error:
            self.fault(method, request, error, allowed)
            return error.code() if error.code() in allowed else None

    def stream(self, method, request, timeout_s=PATIENCE_S):
        """What came before the stream ended or broke, and whether it ended."""
        parts = []
        try:
            for part in getattr(self.stub, method)(request, timeout=timeout_s, wait_for_ready=True):
                parts.append(part)
            return parts, True
        except grpc.RpcError as error:
            self.fault(method, request, error, ())
            return parts, False

    def fault(self, method, request, error, allowed):
        code = error.code()
        full = code == grpc.StatusCode.RESOURCE_EXHAUSTED and "full" in error.details() + " full"
        if code in UNKNOWN or code in allowed or full:
            self.told.count("unanswered" if code not in allowed else "refused")
        else:
            self.told.violate(f"{method} {request}: {code} {error.details()}")

    def run(self):
        try:
            while not self.ending.is_set():
                self.act()
            self.bring_to_an_end()
        except Exception as error:  # pylint: disable=broad-except
            self.told.violate(f"{self.prefix}: {type(error).__name__}: {error}")
            raise

    def act(self):
        live = [job for job in self.jobs if not job.deleted]
        if self.open and self.dice.random() < 0.7:
            self.submit(*self.dice.choice(self.open))
        elif len(live) + len(self.open) < self.MOST_JOBS:
            self.requests += 1
            self.open.append((f"{self.prefix}-{self.requests}", self.dice.randrange(len(self.specs))))
        elif live:
            self.look_after(self.dice.choice(live))
        if self.kept and self.dice.random() < 0.1:
            self.verify(self.dice.choice(self.kept))
        time.sleep(self.dice.uniform(0, 0.1))

    def submit(self, request_id, kind):
        job = self.call("SubmitJob", self.messages.SubmitJobRequest(spec=self.specs[kind], request_id=request_id))
        if job is None:
            return
        self.told.submitted(request_id, job.name)
        if (request_id, kind) in self.open and self.dice.random() < 0.8:
            self.open.remove((request_id, kind))  # else it is asked once more
        if all(known.name != job.name for known in self.jobs):
            self.told.count("jobs")
            self.jobs.append(JobMemory(self.told, job.name, kind))

    def look(self, memory):
        """The job as it is, or None."""
        job = self.call("GetJob", self.messages.GetJobRequest(name=memory.name), (grpc.StatusCode.NOT_FOUND,))
        if job == grpc.StatusCode.NOT_FOUND:
            memory.missing()
            return None
        if job is not None:
            memory.seen(job)
            if job.state == 4 and not FAIR_FAILURES.search(job.error):
                memory.violate(f"FAILED: {job.error}")
        return job

    def look_after(self, memory):
        job = self.look(memory)
        if job is None:
            return
        if self.dice.random() < 0.5:
            self.watch(memory, self.dice.choice((0, len(memory.events), self.dice.randint(0, len(memory.events)))))
        if self.dice.random() < 0.3:
            self.list(memory)
        name = memory.name
        precondition = (grpc.StatusCode.FAILED_PRECONDITION,)
        if job.state == SUCCEEDED:
            if self.verify(memory):
                self.jobs.remove(memory)
                self.delete(memory) if self.dice.random() < 0.8 else self.kept.append(memory)
        elif job.state in ENDED:
            memory.backwards = True
            self.call("RetryJob", self.messages.RetryJobRequest(name=name), precondition)
        elif job.state == 6:
            memory.backwards = True
            self.call("ResumeJob", self.messages.ResumeJobRequest(name=name), precondition)
        elif self.dice.random() < 0.05:
            memory.backwards = True  # an earlier, unanswered resume may follow
            self.call("PauseJob", self.messages.PauseJobRequest(name=name), precondition)
        elif self.dice.random() < 0.02:
            memory.cancel_asked = True
            self.call("CancelJob", self.messages.CancelJobRequest(name=name), precondition)

    def delete(self, memory):
        memory.delete_asked = True
        for _ in range(200):
            answer = self.call("DeleteJob", self.messages.DeleteJobRequest(name=memory.name),
                               (grpc.StatusCode.NOT_FOUND,))
            if answer is not None:
                memory.deleted = True
                self.told.count("deleted")
                gone = self.call("GetJob", self.messages.GetJobRequest(name=memory.name), (grpc.StatusCode.NOT_FOUND,))
                if gone is not None and gone != grpc.StatusCode.NOT_FOUND:
                    memory.violate("deleted, and there again")
                return
            time.sleep(0.1)
        memory.violate("cannot be deleted")

    def watch(self, memory, after, timeout_s=1.0):
        """Whether the stream came to its end."""
        events, ended = self.stream("WatchJob", self.messages.WatchJobRequest(name=memory.name, after_event=after), timeout_s)
        expected = after
        for event in events:
            expected += 1
            if event.number != expected:
                memory.violate(f"a watch after {after} has event {event.number} in place of {expected}")
                return False
            kind = event.WhichOneof("event")
            # A candidate is shown as it is now; which one it is stays.
            text = event.candidate.name if kind == "candidate" else event.SerializeToString(deterministic=True)
            memory.heard(event.number, (kind, text))
        self.told.count("events", len(events))
        return ended

    def list(self, memory):
        response = self.call("ListCandidates", self.messages.ListCandidatesRequest(parent=memory.name, page_size=1000))
        if response is None:
            return None
        memory.listed(int(c.name.rsplit("/", 1)[1]) for c in response.candidates)
        self.told.count("candidates", len(response.candidates))
        return list(response.candidates)

    def verify(self, memory):
        """Holds a job that SUCCEEDED to everything; whether every call was answered."""
        job = self.look(memory)
        candidates = self.list(memory)
        front = self.call("GetParetoFront", self.messages.GetParetoFrontRequest(parent=memory.name))
        export, whole = self.stream("ExportCandidate", self.messages.ExportCandidateRequest(name=memory.name, format="json"))
        if job is None or candidates is None or front is None or not whole or not self.watch(memory, 0, PATIENCE_S):
            return False
        if [c.SerializeToString(deterministic=True) for c in front.candidates] != [
                c.SerializeToString(deterministic=True) for c in brute_force_front(candidates, front.metric)]:
            memory.violate("its front is not the front")
        content = b"".join(part.chunk for part in export)
        if hashlib.sha256(content).hexdigest() != export[0].metadata.sha256:
            memory.violate("its export has another hash than was said")
        outcome = self.outcome(memory, job, candidates, content)
        memory.ended(outcome)
        if self.expected.get(memory.kind, outcome) != outcome:
            memory.violate(f"it came to\n{outcome}\nwhere an undisturbed job came to\n{self.expected[memory.kind]}")
        self.told.count("verified")
        return True

    def outcome(self, memory, job, candidates, content):
        result = type(job.result)()
        result.CopyFrom(job.result)
        result.ClearField("loader_wait_share")
        job_id = memory.name.rsplit("/", 1)[1]
        export = hashlib.sha256(content.replace(job_id.encode(), b"ID")).hexdigest()
        return "\n".join(map(str, [result, *candidates, export])).replace(job_id, "ID")

    def bring_to_an_end(self, deadline_s=240):
        """With nothing more going wrong, every job that was acknowledged comes to an end and holds."""
        end = time.monotonic() + deadline_s
        while (self.open or self.jobs) and time.monotonic() < end:
            for request_id, kind in list(self.open):
                self.submit(request_id, kind)
            for memory in [job for job in self.jobs if not job.deleted]:
                job = self.look(memory)
                if job is None:
                    continue
                if job.state == SUCCEEDED and self.verify(memory):
                    self.jobs.remove(memory)
                    self.kept.append(memory)
                elif job.state in (4, 5, 6):
                    memory.backwards = True
                    method, request = (("ResumeJob", self.messages.ResumeJobRequest) if job.state == 6 else
                                       ("RetryJob", self.messages.RetryJobRequest))
                    self.call(method, request(name=memory.name), (grpc.StatusCode.FAILED_PRECONDITION,))
            time.sleep(0.2)
        for memory in self.jobs:
            memory.violate("does not come to an end")
        for memory in self.kept:
            if not self.verify(memory):
                memory.violate("cannot be verified though nothing is wrong any more")


def brute_force_front(candidates, metric):
    def point(candidate):
        return next(c.value for c in candidate.costs if c.metric == metric), candidate.search.accuracy

    def beats(a, b):
        (cost_a, accuracy_a), (cost_b, accuracy_b) = point(a), point(b)
        return cost_a <= cost_b and accuracy_a >= accuracy_b and (cost_a < cost_b or accuracy_a > accuracy_b)

    front = [c for i, c in enumerate(candidates)
             if not any(beats(other, c) for other in candidates) and point(c) not in map(point, candidates[:i])]
    return sorted(front, key=lambda c: point(c)[0])
