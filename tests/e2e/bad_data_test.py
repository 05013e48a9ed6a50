"""Data files that are missing, cut short, or not what they should be: refused at submission where that can be
seen without reading the pixels, else the job FAILS with the file's name and the fault."""

import harness
import gzip
import os
import unittest

FILES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
         "t10k-labels-idx1-ubyte.gz")
LABELS = "train-labels-idx1-ubyte.gz"


class BadDataTest(harness.EndToEndTest):
    def setUp(self):
        super().setUp()
        self.serve()
        self.images = self.folder / "images"
        self.images.mkdir()
        for name in FILES:
            os.symlink(harness.FASHION_MNIST / name, self.images / name)

    def replace(self, name, content):
        (self.images / name).unlink()
        (self.images / name).write_bytes(content)

    def submit_with_path(self):
        return self.precis("submit", "-", "--set", f"data.path={self.images}", stdin=harness.TINY_JOB)

    def assert_never_succeeds(self, *fragments):
        """Refused at once, or FAILED later; either way with every fragment in the message."""
        ran = self.submit_with_path()
        if ran.code == 0:
            job = self.wait_for_state(ran.out.strip(), "failed", "succeeded", "cancelled")
            self.assertEqual(job["state"], "failed")
            self.assertEqual(self.precis("watch", job["name"]).code, 2)
            message = job["error"]
        else:
            self.assertEqual(ran.code, 1, ran.err)
            self.assertEqual(self.precis("list", "-o", "json", code=0).json(), [])
            message = ran.err
        for fragment in fragments:
            self.assertIn(fragment, message)
        return message

    def test_a_missing_folder(self):
        self.images = self.folder / "nowhere"
        self.assertIn("data", self.assert_never_succeeds(str(self.images)))

    def test_a_missing_file(self):
        (self.images / LABELS).unlink()
        self.assert_never_succeeds(LABELS)

    def test_a_file_cut_short(self):
        whole = (harness.FASHION_MNIST / LABELS).read_bytes()
        self.replace(LABELS, whole[:len(whole) // 2])
        self.assert_never_succeeds(LABELS)

    def test_a_file_with_more_than_it_announces(self):
        labels = gzip.decompress((harness.FASHION_MNIST / LABELS).read_bytes())
        self.replace(LABELS, gzip.compress(labels + b"\0" * 1000))
        self.assert_never_succeeds(LABELS)

    def test_a_header_that_announces_too_much(self):
        labels = gzip.decompress((harness.FASHION_MNIST / LABELS).read_bytes())
        self.replace(LABELS, gzip.compress(labels[:4] + b"\x7f\xff\xff\xff" + labels[8:]))
        self.assert_never_succeeds(LABELS)

    def test_a_label_out_of_range(self):
        labels = gzip.decompress((harness.FASHION_MNIST / LABELS).read_bytes())
        self.replace(LABELS, gzip.compress(labels[:-1] + b"\x0a"))
        self.assert_never_succeeds(LABELS)

    def test_no_gzip_at_all(self):
        self.replace(LABELS, b"these are no labels")
        self.assert_never_succeeds(LABELS)

    def test_an_empty_file(self):
        self.replace(LABELS, b"")
        self.assert_never_succeeds(LABELS)


if __name__ == "__main__":
    unittest.main()
