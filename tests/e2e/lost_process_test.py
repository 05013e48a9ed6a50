"""Processes that go away: cancelled jobs, killed workers, killed and drained servers, lost watchers."""

import harness
import os
import signal
import subprocess
import time
import unittest

LONG_JOB = harness.TINY_JOB.replace("epochs: 0.3", "epochs: 50")
# The promise is a second or two; the rest is room for a busy machine.
SOON_S = 10


class LostProcessTest(harness.EndToEndTest):
    def running_job(self):
        name = self.submit(LONG_JOB)
        self.wait_for_steps(name)
        return name

    def test_cancelling_ends_the_worker_and_the_watcher(self):
        self.serve()
        name = self.running_job()
        watcher = self.start_precis("watch", name, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(watcher.kill)
        self.precis("cancel", name, code=0)
        harness.wait_for("CANCELLED", lambda: self.job(name)["state"] == "cancelled", SOON_S)
        harness.wait_for("the worker's end", lambda: not self.server.worker_pids(), SOON_S)
        out, _ = watcher.communicate(timeout=SOON_S)
        self.assertEqual(watcher.returncode, 3)
        self.assertIn("cancelled", out)
        self.precis("cancel", name, code=0)  # again is no error
        self.precis("delete", name, code=0)

    def test_a_waiting_job_can_be_cancelled(self):
        self.serve()
        first = self.running_job()
        second = self.submit(LONG_JOB)
        self.assertEqual(self.job(second)["state"], "pending")
        self.precis("cancel", second, code=0)
        self.assertEqual(self.job(second)["state"], "cancelled")
        self.assertEqual(self.job(first)["state"], "running")
        self.assertEqual(self.precis("delete", first).code, 64 + 9)
        self.assertEqual(self.precis("export", first).code, 64 + 9)

    def test_a_killed_worker_is_followed_by_another(self):
        self.serve()
        name = self.running_job()
        (pid,) = self.server.worker_pids()
        os.kill(pid, signal.SIGKILL)
        job = harness.wait_for("the next worker", lambda: (lambda j: j if j["restarts"] else None)(self.job(name)))
        self.assertEqual(job["state"], "running")
        self.assertIn("9", job["notice"])
        self.assertRegex(job["notice"], "(?i)kill|signal")
        self.assertIn("checkpoint", self.precis("get", name).out)
        harness.wait_for("another process", lambda: self.server.worker_pids() not in ([], [pid]))
        self.precis("cancel", name, code=0)
        self.assertEqual(self.precis("watch", name).code, 3)
        self.assertEqual(self.precis("cancel", name, code=0).code, 0)
        # The server goes on.
        self.precis("watch", self.submit(), code=0)

    def test_a_killed_server_takes_its_workers_along_and_the_next_goes_on(self):
        server = self.serve()
        name = self.running_job()
        pids = server.worker_pids()
        server.stop(signal.SIGKILL)
        harness.wait_for("the orphans' end", lambda: not any(os.path.exists(f"/proc/{pid}") and alive(pid) for pid in pids))
        self.serve()
        job = self.job(name)
        self.assertEqual(job["state"], "running")
        self.assertIn("server was stopped", job["notice"])
        harness.wait_for("a worker", lambda: self.server.worker_pids())
        self.precis("cancel", name, code=0)

    def test_a_paused_job_frees_its_place(self):
        self.serve()
        name = self.running_job()
        self.precis("pause", name, code=0)
        self.wait_for_state(name, "paused")
        self.assertEqual(self.server.worker_pids(), [])
        self.assertIn("resume", self.precis("get", name).out)
        self.precis("watch", self.submit(), code=0)
        self.precis("resume", name, code=0)
        harness.wait_for("a worker", lambda: self.server.worker_pids())
        self.assertEqual(self.precis("retry", name).code, 64 + 9)
        self.precis("cancel", name, code=0)
        self.wait_for_state(name, "cancelled")
        self.precis("retry", name, code=0)
        harness.wait_for("a worker", lambda: self.server.worker_pids())
        self.precis("cancel", name, code=0)

    def test_sigterm_drains_while_a_job_runs(self):
        server = self.serve()
        self.running_job()
        started = time.monotonic()
        self.assertEqual(server.stop(signal.SIGTERM), 0, server.log())
        self.assertLess(time.monotonic() - started, harness.DEADLINE_S / 2)
        self.assertEqual(server.worker_pids(), [])

    def test_a_watcher_outlives_a_restart(self):
        server = self.serve()
        name = self.running_job()
        watcher = self.start_precis("watch", name, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(watcher.kill)
        time.sleep(0.5)
        port = server.port
        server.stop(signal.SIGKILL)
        self.serve(port=port)
        self.assertEqual(self.job(name)["state"], "running")
        self.precis("cancel", name)
        _, err = watcher.communicate(timeout=harness.DEADLINE_S)
        self.assertEqual(watcher.returncode, 3, err)
        self.assertIn("Lost the server", err)

    def test_ctrl_c_stops_watching_only(self):
        self.serve()
        name = self.running_job()
        watcher = self.start_precis("watch", name, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(watcher.kill)
        time.sleep(0.5)
        watcher.send_signal(signal.SIGINT)
        out, err = watcher.communicate(timeout=SOON_S)
        self.assertEqual(watcher.returncode, 130)
        self.assertEqual(out, "")
        self.assertRegex(err, r"Resume with: precis watch \w+ --after \d+")
        self.assertIn("precis cancel", err)
        self.assertEqual(self.job(name)["state"], "running")
        self.precis("cancel", name, code=0)


def alive(pid):
    """Not a zombie that nobody has collected yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
