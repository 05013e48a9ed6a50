"""What whoever runs a server relies on: metrics that parse, logs that parse, health, draining, the doctors."""

import collections
import json
import math
import os
import re
import signal
import stat
import subprocess
import time
import unittest
import urllib.request

import grpc

import harness

LONG_JOB = harness.TINY_JOB.replace("epochs: 0.3", "epochs: 50")
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"  # HealthCheckResponse, serialised
CUT_SHORT = 3

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)(?: (-?\d+))?")
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\[\\n])*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram|summary|untyped)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


def parse_metrics(text):
    """{family: (type, help, {(name, labels): value})} of Prometheus' text format; AssertionError for any line or
    number that is out of order."""
    assert text.endswith("\n")
    families, helps, current = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            match = HELP.fullmatch(line)
            assert match and match[1] not in helps, line
            helps[match[1]] = match[2]
        elif line.startswith("#"):
            match = TYPE.fullmatch(line)
            assert match and match[1] not in families, line
            current = match[1]
            families[current] = (match[2], helps[current], {})
        else:
            match = SAMPLE.fullmatch(line)
            assert match and current, line
            kind, _, series = families[current]
            assert match[1] in [current + suffix for suffix in SUFFIXES.get(kind, ("",))], line
            labels = dict(re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            key = (match[1], tuple(sorted(labels.items())))
            assert key not in series, line
            series[key] = float(match[3])
    for name, (kind, _, series) in families.items():
        if kind == "counter":
            assert name.endswith("_total") and all(value >= 0 for value in series.values()), name
        if kind == "histogram":
            check_histogram(name, series)
    return families


def check_histogram(name, series):
    buckets = collections.defaultdict(list)
    for (sample, labels), value in series.items():
        if sample == name + "_bucket":
            rest = tuple(pair for pair in labels if pair[0] != "le")
            buckets[rest].append((float(dict(labels)["le"]), value))
    assert buckets, name
    for labels, steps in buckets.items():
        steps.sort()
        assert [count for _, count in steps] == sorted(count for _, count in steps), f"{name}{labels} falls"
        assert steps[-1] == (math.inf, series[(name + "_count", labels)]), f"{name}{labels}"


class OperationsTest(harness.EndToEndTest):
    def serve_with_metrics(self, *options):
        server = self.serve("--metrics-listen", "127.0.0.1:0", "--log-format", "json", "--log-level", "debug", *options)
        self.metrics_url = re.search(r'http://[^"]*/metrics', server.log())[0]
        return server

    def metrics(self):
        with urllib.request.urlopen(self.metrics_url, timeout=harness.DEADLINE_S) as page:
            self.assertEqual(page.status, 200)
            self.assertTrue(page.headers["Content-Type"].startswith("text/plain"))
            return parse_metrics(page.read().decode())

    def value(self, families, name, **labels):
        family = re.sub("_(count|sum|bucket)$", "", name) if name not in families else name
        return families[family][2].get((name, tuple(sorted(labels.items()))))

    def log_lines(self, server):
        """Every line is one object with what each has to have."""
        lines = [json.loads(line) for line in server.log().splitlines()]
        for line in lines:
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertIn(line["level"], ("debug", "info", "warning", "error", "critical"))
            self.assertTrue(line["message"])
        return lines

    def stubborn_worker(self):
        """A worker program that only SIGKILL ends."""
        path = self.folder / "stubborn"
        path.write_text("#!/bin/sh\ntrap '' TERM\nexec sleep 600\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def health_watch(self, channel):
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch", lambda m: m, lambda m: m)
        return watch(b"", timeout=harness.DEADLINE_S)

    def test_metrics_and_logs_of_a_whole_job(self):
        server = self.serve_with_metrics()
        before = self.metrics()
        self.assertEqual(self.value(before, "precis_jobs", state="succeeded"), 0)
        for name, (_, text, series) in before.items():
            self.assertTrue(text, f"{name} has a HELP")
            self.assertTrue(series, name)
        name = self.submit()
        job = name.split("/")[1]
        seen = set()
        while self.job(name)["state"] in ("pending", "running"):
            seen |= {key[0] for family in self.metrics().values() for key in family[2] if ("job", job) in key[1]}
            time.sleep(0.05)
        self.assertEqual(self.job(name)["state"], "succeeded")
        self.assertTrue({"precis_job_reward", "precis_job_images_per_second"} <= seen, seen)
        after = self.metrics()
        self.assertEqual(self.value(after, "precis_jobs", state="succeeded"), 1)
        self.assertEqual(self.value(after, "precis_job_queue_seconds_count"), 1)
        self.assertFalse([key for family in after.values() for key in family[2] if dict(key[1]).get("job")])
        for method in ("SearchService/SubmitJob", "SearchService/GetJob", "WorkerService/ReportBatch"):
            self.assertGreater(self.value(after, "precis_rpc_duration_seconds_count", code="OK",
                                          method=f"precis.v1.{method}"), 0, method)
        self.assertGreater(self.value(after, "precis_store_duration_seconds_count", operation="append_batch"), 0)
        self.assertGreater(self.value(after, "precis_store_wal_bytes"), 0)
        self.assertEqual(server.stop(), 0)
        lines = self.log_lines(server)
        self.assertIn(f"job {job}: started", [line["message"] for line in lines])
        for line in lines:
            if line["message"].startswith(f"job {job}: "):
                self.assertEqual(line["job_id"], job)
        queued = next(line for line in lines if line["message"] == f"job {job}: queued")
        submitted = next(line for line in lines if line["message"].startswith("call precis.v1.SearchService/SubmitJob"))
        self.assertEqual(queued["request_id"], submitted["request_id"])
        self.assertEqual((submitted["level"], submitted["method"]), ("info", "precis.v1.SearchService/SubmitJob"))
        read = next(line for line in lines if line["message"].startswith("call precis.v1.SearchService/GetJob"))
        self.assertEqual((read["level"], read["job_id"]), ("debug", job))

    def test_the_parser_finds_faults(self):
        good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\"} 1\n"
        parse_metrics(good)
        for bad in (good.replace(" 1\n", "\n"), good + "a_total{x=\"1\"} 2\n", good.replace("a_total", "a"),
                    good.replace('"1"', "1"), good.replace("# HELP a_total A.\n", ""), good + "b 1\n",
                    "# HELP h H.\n# TYPE h histogram\nh_count 2\nh_sum 1\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\n"):
            with self.assertRaises((AssertionError, KeyError, ValueError), msg=bad):
                parse_metrics(bad)

    def test_sigterm_drains_within_the_deadline_and_health_says_so(self):
        server = self.serve_with_metrics("--drain-timeout", "20")
        name = self.submit(LONG_JOB)
        self.wait_for_steps(name)
        with grpc.insecure_channel(server.address) as channel:
            health = self.health_watch(channel)
            self.assertEqual(next(health), SERVING)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(next(health), NOT_SERVING)
            health.cancel()
        self.assertEqual(server.process.wait(harness.DEADLINE_S), 0, server.log())
        self.assertLess(time.monotonic() - started, 20)
        self.assertEqual(server.worker_pids(), [])
        self.assertIn("shut down", [line["message"] for line in self.log_lines(server)])

    def test_a_short_deadline_is_kept_even_with_a_worker_that_will_not_stop(self):
        server = self.serve_with_metrics("--drain-timeout", "2", "--worker", self.stubborn_worker())
        self.wait_for_state(self.submit(), "running")
        harness.wait_for("the worker", server.worker_pids)
        with grpc.insecure_channel(server.address) as channel:
            health = self.health_watch(channel)
            self.assertEqual(next(health), SERVING)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(next(health), NOT_SERVING)
            self.assertTrue(server.worker_pids(), "health turns before the workers have ended")
            health.cancel()
        self.assertEqual(server.process.wait(harness.DEADLINE_S), 0, server.log())
        self.assertLess(time.monotonic() - started, 4)

    def test_a_second_sigterm_ends_at_once(self):
        server = self.serve_with_metrics("--drain-timeout", "60", "--worker", self.stubborn_worker())
        name = self.submit()
        self.wait_for_state(name, "running")
        (worker,) = harness.wait_for("the worker", server.worker_pids)
        server.process.send_signal(signal.SIGTERM)
        harness.wait_for("the drain", lambda: "shutting down on SIGTERM" in server.log())
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(harness.DEADLINE_S), CUT_SHORT, server.log())
        self.assertIn("second signal", self.log_lines(server)[-1]["message"])
        harness.wait_for("the worker's end", lambda: not os.path.exists(f"/proc/{worker}"))
        self.serve("--worker", "/bin/false")  # nothing is lost
        self.assertEqual(self.job(name)["name"], name)

    def test_a_server_that_cannot_start_says_so_as_it_logs(self):
        self.serve_with_metrics("--worker", "/bin/false")
        taken = self.metrics_url.split("/")[2]
        for options in (("--metrics-listen", taken), ("--metrics-listen", "0.0.0.0:0")):
            with self.assertRaisesRegex(AssertionError, "--metrics-"):
                folder = self.folder / "other"
                folder.mkdir(exist_ok=True)
                harness.Server(folder, "--worker", "/bin/false", "--log-format", "json", *options)
            json.loads((folder / "precisd.log").read_text().splitlines()[-1])

    def test_doctors(self):
        ran = self.precis("--server", "127.0.0.1:1", "doctor", "-o", "json", code=1)
        self.assertEqual([check["level"] for check in ran.json()["checks"]], ["fail"])
        server = self.serve("--worker", "/bin/false")
        ran = self.precis("doctor", "-o", "json", code=0)
        self.assertEqual({check["level"] for check in ran.json()["checks"]}, {"ok"}, ran.out)
        self.assertEqual({check["check"] for check in ran.json()["checks"]}, {"server", "version", "clock", "health"})
        done = subprocess.run([harness.BIN / "precisd", "doctor", "--data-dir", server.data_dir, "-o", "json"],
                              capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["ok"]), (0, True), done.stdout)
        levels = {check["check"]: check for check in report["checks"]}
        self.assertEqual(levels["store"]["level"], "ok")
        self.assertIn(str(server.process.pid), levels["server"]["message"])
        server.stop()
        (server.data_dir / "precis.db").write_bytes(b"no database at all, but long enough to be read as one " * 9)
        done = subprocess.run([harness.BIN / "precisd", "doctor", "--data-dir", server.data_dir],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, "FAIL  store .*\n        → .*backup")


if __name__ == "__main__":
    unittest.main()
