"""Each house rule, shown to fail on a planted fault and to pass on what is allowed."""

import unittest

import house_rules as rules


class IncludeRules(unittest.TestCase):
    def faults(self, path, include):
        return rules.check_includes(path, f'// x\n#include "{include}"\n')

    def test_refused(self):
        for path, include in [
            ("search/plan.cc", "torch/torch.h"),
            ("search/plan.cc", "precis/v1/job.pb.h"),
            ("search/plan.cc", "sqlite3.h"),
            ("search/plan.cc", "supernet/execution/oracle_factory.h"),
            ("search/plan.cc", "server/store/records.h"),
            ("supernet/formats/format.cc", "supernet/graph/assignment.h"),
            ("supernet/graph/model_zoo.cc", "search/plan.h"),
            ("supernet/graph/model_zoo.cc", "ATen/ATen.h"),
            ("supernet/graph/model_graph.cc", "onnx/onnx_pb.h"),
            ("supernet/execution/step.cc", "onnx/onnx_pb.h"),
            ("supernet/data/dataset.cc", "torch/torch.h"),
            ("supernet/quantizers/fake_quantize.cc", "supernet/graph/assignment.h"),
            ("supernet/execution/step.cc", "search/plan.h"),
            ("server/job_manager.cc", "torch/torch.h"),
            ("server/job_manager.cc", "sqlite3.h"),
            ("server/job_manager.cc", "supernet/execution/oracle_factory.h"),
            ("server/store/sqlite_store.cc", "precis/v1/job.pb.h"),
            ("server/export/json_exporter.cc", "grpcpp/grpcpp.h"),
            ("server/worker/main.cc", "server/job_manager.h"),
            ("server/worker/main.cc", "supernet/execution/network.h"),
            ("client/main.cc", "search/plan.h"),
            ("client/main.cc", "server/convert.h"),
            ("client/main.cc", "sqlite3.h"),
            ("supernet/formats/format.cc", "tests/fakes/fake_oracle.h"),
        ]:
            self.assertTrue(self.faults(path, include), f"{path} -> {include} was let through")

    def test_allowed(self):
        for path, include in [
            ("search/plan.cc", "search/cost/cost_model.h"),
            ("search/plan.cc", "supernet/graph/model_graph.h"),
            ("search/plan.cc", "absl/status/status.h"),
            ("supernet/execution/step.cc", "torch/torch.h"),
            ("supernet/data/dataset.cc", "supernet/graph/dataset_info.h"),
            ("server/job_manager.cc", "server/store/store.h"),
            ("server/convert.cc", "precis/v1/job.pb.h"),
            ("server/store/sqlite_store.cc", "sqlite3.h"),
            ("supernet/graph/onnx_tensors.cc", "onnx/onnx_pb.h"),
            ("server/store/sqlite_store.cc", "search/candidate.h"),
            ("server/worker/main.cc", "supernet/execution/oracle_factory.h"),
            ("server/worker/main.cc", "server/convert.h"),
            ("client/main.cc", "precis/v1/search_service.grpc.pb.h"),
            ("client/main.cc", "supernet/formats/format.h"),
            ("tests/server/store_test.cc", "server/store/store.h"),
        ]:
            self.assertEqual(self.faults(path, include), [], f"{path} -> {include} was refused")


class OtherRules(unittest.TestCase):
    def test_opening(self):
        self.assertTrue(rules.check_opening("search/a.cc", "#include <x>\n"))
        self.assertTrue(rules.check_opening("search/a.h", "// What.\nint x;\n"))
        self.assertTrue(rules.check_opening("deploy/a.sh", "#!/bin/sh\nset -e\n"))
        self.assertEqual(rules.check_opening("search/a.h", "// What.\n#pragma once\n"), [])
        self.assertEqual(rules.check_opening("deploy/a.sh", "#!/bin/sh\n# What.\n"), [])

    def test_length(self):
        self.assertTrue(rules.check_length("search/a.cc", "x\n" * (rules.MAX_LINES + 1)))
        self.assertEqual(rules.check_length("search/a.cc", "x\n" * rules.MAX_LINES), [])

    def test_top_level(self):
        self.assertTrue(rules.check_top_level(["docs/a.md"]))
        self.assertEqual(rules.check_top_level([".ci/run", "README.md", "search/a.cc"]), [])


if __name__ == "__main__":
    unittest.main()
