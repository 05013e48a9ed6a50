"""What the end-to-end tests share: a server of their own in a temporary folder, `precis` as a process, and a
job small enough to run in seconds on real images."""

import json
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["PRECIS_BIN"])
FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")
DEADLINE_S = 60

# A few dozen steps of a thin network.
TINY_JOB = """\
display_name: tiny
model: {name: resnet8, width_multiplier: 0.5}
data: {name: fashion_mnist, search_images: 500}
space: {formats: [int4, int8]}
cost: {target: 1.3x int4}
reward: {probe_images: 64}
training: {epochs: 0.3, recalibration_images: 256}
controller: {warmup_share: 0.5}
finish: {sampled_candidates: 4}
seed: 7
threads: 1
device: cpu
"""


class Ran:
    """What one run of `precis` came to."""

    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def json(self):
        return json.loads(self.out)


def wait_for(what, condition, deadline_s=DEADLINE_S):
    """The first true value of condition()."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {deadline_s} s for {what}")


def write_png(path, side, colour):
    """A square of one colour, or no image at all where that is None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if colour is None:
        path.write_bytes(b"no image")
        return

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * side) * side
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_image_folder(folder, train, test, side=16):
    """Two classes, dark and bright, of `train` and `test` images each."""
    for split, count in (("train", train), ("val", test)):
        for i in range(count):
            write_png(folder / split / "dark" / f"{i:05}.png", side, (i % 100, i % 70, 30))
            write_png(folder / split / "bright" / f"{i:05}.png", side, (255 - i % 100, 200, 220))
    return folder


class Server:
    """A precisd of our own, on a free port."""

    def __init__(self, folder, *options, port=0, program="precisd"):
        self.folder = pathlib.Path(folder)
        self.data_dir = self.folder / "data"
        self.log_path = self.folder / "precisd.log"
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BIN / program, "--data-dir", self.data_dir, "--listen", f"127.0.0.1:{port}", "--port-file",
                 port_file, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("the server to start", lambda: port_file.exists() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError(f"precisd ended with {self.process.returncode}: {self.log()}")
        self.port = int(port_file.read_text())
        self.address = f"127.0.0.1:{self.port}"

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self, how=signal.SIGTERM):
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def worker_pids(self):
        """Processes that this server started and that have not ended."""
        pids = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (OSError, IndexError):
                continue
            if entry.name.isdigit() and fields[1] == str(self.process.pid) and fields[0] != "Z":
                pids.append(int(entry.name))
        return pids


class EndToEndTest(unittest.TestCase):
    """A temporary folder for each test; with `serve`, a server that is stopped at the end."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="precis_e2e_")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.server = None

    def serve(self, *options, port=0):
        self.server = Server(self.folder, *options, port=port)
        self.addCleanup(self.server.stop)
        return self.server

    def environment(self):
        environment = {k: v for k, v in os.environ.items() if k not in ("PRECIS_SERVER", "NO_COLOR")}
        if self.server is not None:
            environment["PRECIS_SERVER"] = self.server.address
        return environment

    def start_precis(self, *arguments, **options):
        return subprocess.Popen([BIN / "precis", *map(str, arguments)], env=self.environment(), text=True, **options)

    def precis(self, *arguments, stdin="", code=None):
        """Runs `precis` to its end; with `code`, insists on that exit code."""
        ran = Ran(subprocess.run([BIN / "precis", *map(str, arguments)], input=stdin, capture_output=True, text=True,
                                 env=self.environment(), timeout=DEADLINE_S * 2, check=False))
        if code is not None:
            self.assertEqual(ran.code, code, f"precis {arguments}\nout: {ran.out}\nerr: {ran.err}\n{self.server_log()}")
        return ran

    def server_log(self):
        return "" if self.server is None else "server:\n" + self.server.log()

    def submit(self, job=TINY_JOB, *arguments):
        """The name of the job."""
        return self.precis("submit", "-", *arguments, stdin=job, code=0).out.strip()

    def job(self, name):
        return self.precis("get", name, "-o", "json", code=0).json()

    def wait_for_state(self, name, *states):
        return wait_for(f"{name} to be {states}", lambda: (lambda j: j if j["state"] in states else None)(self.job(name)))

    def wait_for_steps(self, name):
        """The job is in the middle of its training."""
        return wait_for(f"{name} to train", lambda: self.job(name)["progress"] and self.job(name)["progress"]["step"] > 0)
