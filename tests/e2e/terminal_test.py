"""The live progress line, on a pseudo-terminal."""

import harness
import os
import pty
import re
import struct
import subprocess
import termios
import fcntl
import unittest

COLUMNS = 80


class TerminalTest(harness.EndToEndTest):
    def watch_on_terminal(self, job, environment):
        """What a terminal of 80 columns gets on standard error, and what standard output gets."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        process = subprocess.Popen([harness.BIN / "precis", "watch", job], stdin=follower, stdout=subprocess.PIPE,
                                   stderr=follower, env={**self.environment(), **environment})
        os.close(follower)
        shown = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            shown += chunk
        out = process.stdout.read().decode()
        process.stdout.close()
        self.assertEqual(process.wait(harness.DEADLINE_S), 0, shown)
        os.close(leader)
        return shown.decode(), out

    def lines_drawn(self, shown):
        return [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", shown) if line]

    def test_one_line_redrawn_in_place(self):
        self.serve()
        name = self.submit()
        shown, out = self.watch_on_terminal(name, {"TERM": "xterm"})
        drawn = self.lines_drawn(shown)
        self.assertGreater(len(drawn), 3)
        for line in drawn:
            self.assertLess(len(line), COLUMNS)
        self.assertEqual(shown.count("\n"), 1, "a single line is left standing")
        self.assertIn("\x1b[1;36m", shown)
        self.assertRegex("\n".join(drawn), r"(?m)^(warmup|search|frozen) +\d+% \d+/\d+ ")
        self.assertIn("succeeded", drawn[-1])
        self.assertIn("answer", out)
        self.assertNotIn("\x1b", out)

        # The same job, which has ended, without colour; and as a dumb terminal.
        shown, _ = self.watch_on_terminal(name, {"TERM": "xterm", "NO_COLOR": "1"})
        self.assertNotIn("\x1b[1", shown)
        self.assertIn("\r", shown)
        shown, _ = self.watch_on_terminal(name, {"TERM": "dumb"})
        self.assertNotIn("\x1b", shown)
        self.assertGreater(shown.count("\n"), 3)


if __name__ == "__main__":
    unittest.main()
