#!/usr/bin/env python3
"""A backup of a server that is at work, checked, restored, and served again; with the real programs."""

import subprocess
import unittest

import harness


SHORT = harness.TINY_JOB.replace("epochs: 0.3", "epochs: 0.1").replace("sampled_candidates: 4", "sampled_candidates: 0")


class BackupTest(harness.EndToEndTest):
    def restore(self, *arguments):
        return subprocess.run([harness.BIN / "precisd", "restore", *map(str, arguments)], capture_output=True, text=True,
                              timeout=harness.DEADLINE_S, check=False)

    def test_a_backup_under_load_brings_everything_back(self):
        self.serve("--checkpoint-interval", "0.5")
        done = self.submit(SHORT)
        self.precis("watch", done, code=0)
        self.assertIn("no faults", self.precis("admin", "check", code=0).out)
        candidates = self.precis("candidates", done, "-o", "json", code=0).out
        export = self.precis("export", done, code=0).out
        running = self.submit(harness.TINY_JOB.replace("epochs: 0.3", "epochs: 3"))
        self.wait_for_steps(running)

        backup = self.folder / "backup"
        taken = self.precis("admin", "backup", backup, code=0)
        self.assertEqual(taken.out.strip(), str(backup))
        self.assertEqual(self.precis("admin", "backup", backup).code, 64 + 6, "it overwrites nothing")
        self.assertEqual(self.precis("admin", "backup", self.server.data_dir / "b").code, 64 + 7)
        self.assertEqual(self.job(running)["state"], "running", "the server went on")
        explained = self.precis("admin", "restore", backup, "--verify", code=1).err
        self.assertIn(f"precisd restore {backup} --verify", explained)

        self.assertEqual(self.restore(backup, "--data-dir", self.server.data_dir).returncode, 1, "a server is at work there")
        self.server.stop()
        verified = self.restore(backup, "--verify")
        self.assertEqual(verified.returncode, 0, verified.stderr)
        (self.folder / "data").rename(self.folder / "lost")
        restored = self.restore(backup, "--data-dir", self.folder / "data")
        self.assertEqual(restored.returncode, 0, restored.stderr)
        self.serve()
        self.assertEqual(self.precis("candidates", done, "-o", "json", code=0).out, candidates)
        self.assertEqual(self.precis("export", done, code=0).out, export)
        self.wait_for_steps(running)
        self.precis("cancel", running, code=0)
        check = self.precis("admin", "check", "-o", "json", code=0).json()
        self.assertEqual((check["jobs"], check["faults"]), (2, []))
        self.change(self.server.data_dir / done / "weights.safetensors")
        self.assertIn("weights.safetensors", self.precis("admin", "check", code=1).err)
        self.assertIn("has changed", self.precis("export", done, code=64 + 15).err)

    def change(self, path):
        changed = bytearray(path.read_bytes())
        changed[-1] ^= 1
        path.write_bytes(changed)


    def test_bad_options(self):
        self.assertEqual(self.restore(self.folder).returncode, 2)
        self.assertIn("no backup", self.restore(self.folder, "--verify").stderr)


if __name__ == "__main__":
    unittest.main()
