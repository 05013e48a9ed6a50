"""Starting, stopping and being refused: bad jobs, a port in use, data folders that cannot be used, SIGTERM."""

import harness
import signal
import socket
import sqlite3
import subprocess
import unittest

UNAVAILABLE = 64 + 14
NO_WORKER = ("--worker", "/bin/false")


class StartUpTest(harness.EndToEndTest):
    def start_fails(self, *arguments):
        """What a precisd that must not start says."""
        done = subprocess.run([harness.BIN / "precisd", *map(str, arguments), *NO_WORKER], capture_output=True, text=True,
                              timeout=harness.DEADLINE_S, check=False)
        self.assertNotEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stderr.strip(), "a reason")
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_a_missing_server_is_said_with_the_remedy(self):
        ran = self.precis("--server", "127.0.0.1:1", "list", code=UNAVAILABLE)
        self.assertIn("127.0.0.1:1", ran.err)
        self.assertIn("precisd --data-dir", ran.err)

    def test_all_faults_of_a_job_at_once(self):
        self.serve(*NO_WORKER)
        job = ("model: {name: resnet9}\ndata: {name: fashion_mnits, search_images: -5}\n"
               "space: {formats: [int4, int44]}\ncost: {target: 0.001x int4}\nseed: x\nlearning_rate: 3\n")
        ran = self.precis("submit", "-", stdin=job, code=1)
        self.assertEqual(ran.out, "")
        for fault in ("1:9: model.name", "Did you mean \"resnet8\"", "2:8: data.name", "Did you mean \"fashion_mnist\"",
                      "data.search_images", "-5", "space.formats[1]", "int44", "<stdin>:5:7: seed", "<stdin>:6:1: learning_rate"):
            self.assertIn(fault, ran.err)
        self.assertEqual(self.precis("list", "-o", "json", code=0).json(), [])

    def test_a_target_out_of_reach_tells_the_range(self):
        self.serve(*NO_WORKER)
        for target in ("0.1x int4", "1 BOPs"):
            ran = self.precis("validate", "-", "--set", f"cost.target={target}", stdin=harness.TINY_JOB, code=1)
            self.assertIn("cost.target", ran.err)
            self.assertRegex(ran.err, r"BOPs.*BOPs", "the reachable range")

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            said = self.start_fails("--data-dir", self.folder / "data", "--listen", f"127.0.0.1:{port}")
        self.assertIn(str(port), said)
        self.assertFalse((self.folder / "data").exists(), "nothing half-done")

    def test_a_data_folder_that_is_a_file(self):
        path = self.folder / "data"
        path.write_text("in the way")
        said = self.start_fails("--data-dir", path, "--listen", "127.0.0.1:0")
        self.assertIn(str(path), said)
        self.assertEqual(path.read_text(), "in the way")

    def test_a_data_folder_in_use(self):
        server = self.serve(*NO_WORKER)
        said = self.start_fails("--data-dir", server.data_dir, "--listen", "127.0.0.1:0")
        self.assertIn(str(server.data_dir), said)

    def test_a_newer_schema_is_refused_and_left_alone(self):
        server = self.serve(*NO_WORKER)
        server.stop()
        databases = [p for p in server.data_dir.rglob("*") if p.is_file() and p.read_bytes()[:15] == b"SQLite format 3"]
        self.assertEqual(len(databases), 1)
        connection = sqlite3.connect(databases[0])
        connection.execute("PRAGMA user_version = 9999")
        connection.commit()
        connection.close()
        before = databases[0].read_bytes()
        said = self.start_fails("--data-dir", server.data_dir, "--listen", "127.0.0.1:0")
        self.assertRegex(said, "newer|9999")
        self.assertEqual(databases[0].read_bytes(), before)

    def test_sigterm_and_sigint_end_it_well(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            server = self.serve(*NO_WORKER)
            self.precis("formats", code=0)
            self.assertEqual(server.stop(how), 0, server.log())

    def test_the_port_is_free_again_at_once(self):
        server = self.serve(*NO_WORKER)
        port = server.port
        server.stop()
        self.serve(*NO_WORKER, port=port)
        self.precis("version", code=0)

    def test_listings_work_before_any_job(self):
        self.serve(*NO_WORKER)
        formats = self.precis("formats", "-o", "json", code=0).json()
        self.assertIn("int4", [f["name"] for f in formats])
        models = self.precis("models", "-o", "json", code=0).json()
        self.assertIn("resnet8", [m["name"] for m in models["models"]])
        self.assertEqual(self.precis("get", "latest").code, 1)
        self.assertEqual(self.precis("get", "nonsense").code, 64 + 5)


if __name__ == "__main__":
    unittest.main()
