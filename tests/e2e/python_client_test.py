"""A client in another language, made from the .proto files alone: submits, watches, lists, exports, and gets
the faults of a bad job as data."""

import harness
import hashlib
import json
import stubs
import unittest

import grpc

DEADLINE_S = 60


class PythonClientTest(harness.EndToEndTest):
    @classmethod
    def setUpClass(cls):
        stubs.generate(cls)
        # pylint: disable=import-outside-toplevel,import-error
        from precis.v1 import candidate_pb2, job_pb2, search_service_pb2, search_service_pb2_grpc
        cls.candidates, cls.jobs, cls.messages, cls.services = (candidate_pb2, job_pb2, search_service_pb2,
                                                                search_service_pb2_grpc)

    def setUp(self):
        super().setUp()
        self.serve()
        channel = grpc.insecure_channel(self.server.address)
        self.addCleanup(channel.close)
        self.stub = self.services.SearchServiceStub(channel)

    def tiny_spec(self):
        jobs = self.jobs
        return jobs.JobSpec(
            model=jobs.ModelSpec(name="resnet8", width_multiplier=0.5),
            data=jobs.DataSpec(name="fashion_mnist", search_images=500), space=jobs.SpaceSpec(formats=["int4", "int8"]),
            cost=jobs.CostSpec(target="1.3x int4"), reward=jobs.RewardSpec(probe_images=64),
            training=jobs.TrainingSpec(epochs=0.05, recalibration_images=256),
            finish=jobs.FinishSpec(sampled_candidates=2), seed=3, threads=1, device=jobs.DEVICE_CPU)

    def test_submits_watches_lists_and_exports(self):
        request = self.messages.SubmitJobRequest(spec=self.tiny_spec(), request_id="from-python")
        job = self.stub.SubmitJob(request, timeout=DEADLINE_S)
        self.assertTrue(job.name.startswith("jobs/"))
        self.assertEqual(self.stub.SubmitJob(request, timeout=DEADLINE_S).name, job.name, "one request, one job")

        events = list(self.stub.WatchJob(self.messages.WatchJobRequest(name=job.name), timeout=2 * DEADLINE_S))
        self.assertEqual([e.number for e in events], list(range(1, len(events) + 1)), "no gap, no repeat")
        states = [e.state_change.state for e in events if e.HasField("state_change")]
        self.assertEqual(states, [self.jobs.Job.PENDING, self.jobs.Job.RUNNING, self.jobs.Job.SUCCEEDED])
        self.assertTrue(any(e.HasField("progress") for e in events))
        middle = len(events) // 2
        rest = list(self.stub.WatchJob(self.messages.WatchJobRequest(name=job.name, after_event=middle),
                                       timeout=DEADLINE_S))
        self.assertEqual([e.number for e in rest], [e.number for e in events[middle:]])

        paged, token = [], ""
        while True:
            page = self.stub.ListCandidates(
                self.messages.ListCandidatesRequest(parent=job.name, page_size=2, page_token=token), timeout=DEADLINE_S)
            self.assertLessEqual(len(page.candidates), 2)
            paged += page.candidates
            token = page.next_page_token
            if not token:
                break
        whole = self.stub.ListCandidates(self.messages.ListCandidatesRequest(parent=job.name), timeout=DEADLINE_S)
        self.assertEqual(paged, list(whole.candidates))

        metadata, content = None, b""
        for part in self.stub.ExportCandidate(
                self.messages.ExportCandidateRequest(name=job.name, format="json"), timeout=DEADLINE_S):
            if part.HasField("metadata"):
                metadata = part.metadata
            content += part.chunk
        self.assertEqual(metadata.size_bytes, len(content))
        self.assertEqual(metadata.sha256, hashlib.sha256(content).hexdigest())
        self.assertEqual(json.loads(content)["provenance"]["job"], job.name)

    def test_gets_every_fault_as_data(self):
        spec = self.tiny_spec()
        spec.model.name = "resnet9"
        spec.space.formats.append("int44")
        spec.training.epochs = -1
        with self.assertRaises(grpc.RpcError) as raised:
            self.stub.SubmitJob(self.messages.SubmitJobRequest(spec=spec), timeout=DEADLINE_S)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        trailing = dict(raised.exception.trailing_metadata())
        details = self.messages.InvalidArgument.FromString(trailing["precis-invalid-argument-bin"])
        fields = {v.field for v in details.violations}
        self.assertLessEqual({"model.name", "space.formats[2]", "training.epochs"}, fields)

    def test_errors_have_their_codes(self):
        messages, code = self.messages, grpc.StatusCode
        for call, request, expected in (
                (self.stub.GetJob, messages.GetJobRequest(name="jobs/000000000000"), code.NOT_FOUND),
                (self.stub.GetJob, messages.GetJobRequest(name="nonsense/1"), code.INVALID_ARGUMENT),
                (self.stub.ListJobs, messages.ListJobsRequest(page_size=-1), code.INVALID_ARGUMENT),
                (self.stub.ListJobs, messages.ListJobsRequest(page_token="forged"), code.INVALID_ARGUMENT),
                (self.stub.ListJobs, messages.ListJobsRequest(order_by="colour"), code.INVALID_ARGUMENT),
                (self.stub.CancelJob, messages.CancelJobRequest(name="jobs/000000000000"), code.NOT_FOUND),
                (self.stub.DeleteJob, messages.DeleteJobRequest(name="jobs/000000000000"), code.NOT_FOUND)):
            with self.assertRaises(grpc.RpcError) as raised:
                call(request, timeout=DEADLINE_S)
            self.assertEqual(raised.exception.code(), expected, str(request))
            self.assertTrue(raised.exception.details())


if __name__ == "__main__":
    unittest.main()
