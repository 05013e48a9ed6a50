#!/usr/bin/env python3
"""Does to a server and its workers whatever can be done, at random, while clients work with it, and holds it to all
that it told them: no acknowledged job, candidate or result is lost or altered, no state goes back, no event is missing
or told twice, one request is one job, the front is the front, files have their hashes, and every job comes to what an
undisturbed one comes to, bit for bit.

    tests/faults/nemesis.py [--kills 1000] [--seconds 90] [--seed 1] [--log FILE]

Ends after so many kills or seconds, whichever comes first.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("PRECIS_BIN", str(TESTS.parent / "build/release/bin"))
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "faults")]
import client  # noqa: E402
import harness  # noqa: E402
import proxy  # noqa: E402
import stubs  # noqa: E402
import told  # noqa: E402

OPTIONS = ("--checkpoint-interval", "0.2", "--silence-limit", "5", "--max-concurrent-jobs", "2", "--drain-timeout", "10")
CLIENTS = 3
KINDS = 3
KILLS = 1000
SECONDS = 60
SEED = 1
LOG = ""
DISK_MIB = 96
BREATH_S = 20  # a job's time at most
PLANT_S = 4    # for a failpoint to be passed


def failpoints():
    """Names, as the sources have them."""
    sources = [path for room in ("server", "supernet/graph") for path in (harness.ROOT / room).rglob("*.cc")]
    return sorted({name for path in sources
                   for name in re.findall(r'PRECIS_FAILPOINT\("([^"]+)"\)', path.read_text(encoding="utf-8"))})


class Nemesis(harness.EndToEndTest):
    def setUp(self):
        super().setUp()
        self.dice = random.Random(SEED)
        self.told = told.Told()
        self.strikes = collections.Counter()
        self.kills = 0
        self.stopped = set()
        self.counted = False
        self.log_file = open(LOG, "a", encoding="utf-8") if LOG else None  # pylint: disable=consider-using-with
        self.disk = self.make_disk()
        self.mark = self.folder / "failpoint"
        self.program, self.worker, self.failpoints = "precisd", (), ()
        if (harness.BIN / "precisd-faults").exists() and (harness.BIN / "precis-worker-faults").exists():
            self.program, self.worker = "precisd-faults", ("--worker", harness.BIN / "precis-worker-faults")
            self.failpoints = failpoints()
        for missing, why in (("clock", "libfaketime is none of the packages that the tests install"),
                             ("disk", "" if self.disk else "no tmpfs can be mounted here"),
                             ("failpoints", "" if self.failpoints else "there is no precisd-faults")):
            if why:
                self.say(f"SKIPPED: {missing}: {why}")

    def say(self, text):
        print(text, file=sys.stderr, flush=True)
        if self.log_file:
            print(time.strftime("%H:%M:%S"), text, file=self.log_file, flush=True)

    def make_disk(self):
        """A small disk for the data, that can be filled; None if that is not permitted."""
        disk = self.folder / "data"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "precis-nemesis", disk],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            return None
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        return disk

    def specs(self, jobs):
        """Equal but for the seed, a second or two each."""
        images = harness.write_image_folder(self.folder / "images", 48, 16)
        return [jobs.JobSpec(
            model=jobs.ModelSpec(name="resnet8", width_multiplier=0.25),
            data=jobs.DataSpec(name="image_folder", path=str(images), search_images=16, image_size=16),
            space=jobs.SpaceSpec(formats=["int4", "int8"]), cost=jobs.CostSpec(target="1.3x int4"),
            reward=jobs.RewardSpec(probe_images=16),
            training=jobs.TrainingSpec(epochs=40, batch_size=16, recalibration_images=16),
            finish=jobs.FinishSpec(sampled_candidates=4), seed=seed, threads=1, device=jobs.DEVICE_CPU)
            for seed in range(1, KINDS + 1)]

    def start_server(self, failpoint=""):
        """With a failpoint it may end by itself, now or later."""
        self.mark.unlink(missing_ok=True)
        os.environ["PRECIS_FAILPOINT"] = failpoint
        try:
            self.server = harness.Server(self.folder, *OPTIONS, *self.worker, port=self.port, program=self.program)
        except AssertionError as error:
            if not self.mark.exists():
                raise error
            self.count_failpoint()
            self.start_server()
        self.counted = False

    def count_failpoint(self):
        """If it has been passed, by the server or by a worker."""
        if self.mark.exists() and not self.counted:
            self.counted = True
            self.kills += 1
            self.strikes["failpoint " + os.environ["PRECIS_FAILPOINT"].split(":")[0]] += 1

    def server_passed(self):
        """Whether it was the server that ended at the failpoint."""
        return self.mark.exists() and self.mark.read_text(encoding="utf-8").strip() == str(self.server.process.pid)

    def test_nothing_that_was_told_is_taken_back(self):
        stubs.generate(type(self))
        # pylint: disable=import-outside-toplevel,import-error
        from precis.v1 import job_pb2, search_service_pb2, search_service_pb2_grpc
        protos = (search_service_pb2, search_service_pb2_grpc)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.start_server()
        self.addCleanup(lambda: self.server.stop(signal.SIGKILL))
        self.proxy = proxy.Proxy(self.port)
        self.addCleanup(self.proxy.close)
        specs = self.specs(job_pb2)
        expected = self.undisturbed(specs, protos)
        clients = [client.Client(i, self.proxy.port, self.told, specs, protos, SEED) for i in range(CLIENTS)]
        for each in clients:
            each.expected = expected
            each.start()
        self.trouble(clients)
        self.heal()
        for each in clients:
            each.ending.set()
        for each in clients:
            each.join(600)
            self.assertFalse(each.is_alive(), "a client hangs")
        if self.log_file:
            self.addCleanup(self.log_file.close)
        check = self.precis("admin", "check")
        if check.code != 0:
            self.told.violate(f"admin check: {check.out}{check.err}")
        self.summary()
        if LOG and self.told.violations:
            pathlib.Path(LOG + ".server").write_text(self.server.log(), encoding="utf-8")
        self.assertEqual(self.told.violations, [])
        self.assertGreater(self.told.counts.get("verified", 0), 0)

    def undisturbed(self, specs, protos):
        """What each kind of job comes to when nothing happens to it."""
        quiet = client.Client("quiet", self.port, self.told, specs, protos, SEED)
        quiet.open = [(f"quiet-{kind}", kind) for kind in range(len(specs))]
        quiet.bring_to_an_end()
        self.assertEqual(self.told.violations, [])
        return {memory.kind: memory.outcome for memory in quiet.kept}

    def trouble(self, clients):
        kinds = {self.kill_server: 6, self.kill_worker: 6, self.stop_worker: 2, self.drain: 1, self.cut: 2, self.slow: 1,
                 self.back_up: 0.5}
        if self.disk:
            kinds[self.fill_disk] = 1
        if self.failpoints:
            kinds[self.plant] = 6
        end = time.monotonic() + SECONDS
        told_at = 0
        breath, verified = 0, 0
        while self.kills < KILLS and time.monotonic() < end and not self.told.violations:
            breath -= 1
            if breath < 0:  # else, on a busy machine, no job would ever get anywhere
                give_up = time.monotonic() + BREATH_S
                while self.told.counts.get("verified", 0) <= verified and time.monotonic() < min(end, give_up):
                    time.sleep(0.1)
                breath, verified = self.dice.randint(2, 12), self.told.counts.get("verified", 0)
            time.sleep(self.dice.choice((0.02, 0.1, 0.3, 0.6, 1.0)) * self.dice.uniform(0.5, 1.5))
            strike = self.dice.choices(list(kinds), list(kinds.values()))[0]
            if strike():
                self.strikes[strike.__name__] += 1
            self.count_failpoint()
            if self.server.process.poll() is not None and self.server_passed():
                self.start_server()
            elif self.server.process.poll() is not None:
                self.told.violate(f"the server ended by itself with {self.server.process.returncode}: {self.server.log()[-2000:]}")
            if not any(each.is_alive() for each in clients):
                break
            if self.kills // 50 > told_at:
                told_at = self.kills // 50
                self.summary()

    def summary(self):
        self.say(json.dumps({"kills": self.kills, "strikes": dict(self.strikes), "told": self.told.counts,
                             "violations": self.told.violations}))

    # Each returns whether anything was done.
    def kill_server(self):
        self.server.stop(signal.SIGKILL)
        self.kills += 1
        time.sleep(self.dice.choice((0, 0, 0.2)))
        self.start_server()
        return True

    def plant(self):
        """Kills the server, and has the next one, or a worker of it, end at a failpoint."""
        self.server.stop(signal.SIGKILL)
        self.kills += 1
        self.start_server(f"{self.dice.choice(self.failpoints)}:{self.dice.choice((1, 1, 2, 3, 5, 9))}:{self.mark}")
        patience = time.monotonic() + PLANT_S
        while not self.mark.exists() and time.monotonic() < patience:
            time.sleep(0.05)
        return True

    def drain(self):
        self.go_on()
        code = self.server.stop(signal.SIGTERM)
        if code != 0 and not self.server_passed():
            self.told.violate(f"an orderly end has code {code}: {self.server.log()[-2000:]}")
        self.start_server()
        return True

    def kill_worker(self):
        pids = self.server.worker_pids()
        if not pids:
            return False
        return self.signal_worker(self.dice.choice(pids), signal.SIGKILL)

    def signal_worker(self, pid, how):
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return False
        self.kills += how == signal.SIGKILL
        return True

    def stop_worker(self):
        """Stops one for a while, or for so long that it is given up."""
        pids = self.server.worker_pids()
        if not pids or not self.signal_worker(pid := self.dice.choice(pids), signal.SIGSTOP):
            return False
        if self.dice.random() < 0.8:
            time.sleep(self.dice.uniform(0.1, 1))
            self.signal_worker(pid, signal.SIGCONT)
        else:
            self.stopped.add(pid)
        return True

    def go_on(self):
        for pid in self.stopped & set(self.server.worker_pids()):
            self.signal_worker(pid, signal.SIGCONT)
        self.stopped.clear()

    def cut(self):
        return self.proxy.cut() > 0

    def slow(self):
        self.proxy.slow_down(self.dice.uniform(0.005, 0.05))
        time.sleep(self.dice.uniform(0.5, 1.5))
        self.proxy.slow_down(0)
        return True

    def fill_disk(self):
        ballast = self.disk / "ballast"
        left = self.dice.choice((0, 4096, 65536, 300000))
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * (1 << 20))
            except OSError:
                pass
            file.truncate(max(0, file.tell() - left))
            if left == 0:
                try:
                    while True:
                        file.write(b"\0" * 4096)
                except OSError:
                    pass
        time.sleep(self.dice.uniform(0.3, 1.5))
        ballast.unlink()
        return True

    def back_up(self):
        backup = self.folder / "backup"
        taken = self.precis("admin", "backup", backup)
        if taken.code != 0 and not self.server_passed():
            self.told.violate(f"no backup: {taken.err}")
        if taken.code != 0:
            subprocess.run(["rm", "-rf", backup], check=True)
            return False
        verified = subprocess.run([harness.BIN / "precisd", "restore", backup, "--verify"], capture_output=True, text=True,
                                  check=False)
        if verified.returncode != 0:
            self.told.violate(f"the backup is not whole: {verified.stderr}")
        subprocess.run(["rm", "-r", backup], check=True)
        return True

    def heal(self):
        self.go_on()
        self.server.stop(signal.SIGKILL)
        self.start_server()
        self.proxy.slow_down(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--log", default="")
    arguments = parser.parse_args()
    SEED, LOG = arguments.seed, arguments.log
    KILLS = arguments.kills or KILLS
    SECONDS = arguments.seconds or (float("inf") if arguments.kills else SECONDS)
    unittest.main(argv=sys.argv[:1])
