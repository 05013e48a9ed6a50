#!/usr/bin/env python3
"""Every lie that a server could tell is found: what the nemesis rests on."""

import types
import unittest

import told

PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLED, PAUSED = range(1, 7)


def job(state):
    return types.SimpleNamespace(state=state)


class ToldTest(unittest.TestCase):
    def setUp(self):
        self.told = told.Told()
        self.memory = told.JobMemory(self.told, "jobs/a", 0)

    def found(self, part):
        self.assertEqual(len(self.told.violations), 1, self.told.violations)
        self.assertIn(part, self.told.violations[0])

    def test_the_truth_is_no_lie(self):
        self.told.submitted("r", "jobs/a")
        self.told.submitted("r", "jobs/a")
        for state in (PENDING, RUNNING, RUNNING, PAUSED, RUNNING, SUCCEEDED):
            self.memory.seen(job(state))
        for number in (1, 2, 1, 2, 3):
            self.memory.heard(number, str(number))
        self.memory.listed([1, 2])
        self.memory.listed([1, 2, 3])
        self.memory.ended("so")
        self.memory.ended("so")
        self.memory.delete_asked = True
        self.memory.missing()
        self.assertEqual(self.told.violations, [])

    def test_going_back_where_somebody_asked_for_it(self):
        self.memory.backwards = self.memory.cancel_asked = True
        for state in (RUNNING, PAUSED, PENDING, RUNNING, CANCELLED, PENDING, FAILED, PENDING):
            self.memory.seen(job(state))
        self.assertEqual(self.told.violations, [])

    def test_a_second_job_for_a_request(self):
        self.told.submitted("r", "jobs/a")
        self.told.submitted("r", "jobs/b")
        self.found("and then jobs/b")

    def test_one_job_for_two_requests(self):
        self.told.submitted("r", "jobs/a")
        self.told.submitted("s", "jobs/a")
        self.found("is the job of")

    def test_a_lost_job(self):
        self.memory.missing()
        self.found("lost")

    def test_a_deleted_job_that_comes_back(self):
        self.memory.delete_asked = True
        self.memory.missing()
        self.memory.seen(job(PENDING))
        self.found("there again")

    def test_states_that_go_back(self):
        for before, after in ((RUNNING, PENDING), (SUCCEEDED, RUNNING), (PAUSED, PENDING), (FAILED, RUNNING)):
            self.setUp()
            self.memory.seen(job(before))
            self.memory.seen(job(after))
            self.assertTrue(self.told.violations, (before, after))

    def test_a_cancelling_that_nobody_asked_for(self):
        self.memory.seen(job(CANCELLED))
        self.found("without anybody")

    def test_a_gap_in_events(self):
        self.memory.heard(1, "a")
        self.memory.heard(3, "c")
        self.found("follows")

    def test_an_event_that_changes(self):
        self.memory.heard(1, "a")
        self.memory.heard(1, "b")
        self.found("and is")

    def test_a_lost_candidate(self):
        self.memory.listed([1, 2])
        self.memory.listed([1])
        self.found("[2]")

    def test_an_altered_outcome(self):
        self.memory.ended("so")
        self.memory.ended("otherwise")
        self.found("otherwise")


if __name__ == "__main__":
    unittest.main()
