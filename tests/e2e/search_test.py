"""One search from submission to export, on real images, with server, worker and client as processes; and the
same search again, which must give the same candidates."""

import harness
import json
import jsonschema
import re
import unittest

SCHEMA = json.loads((harness.ROOT / "server/export/precis-export-v1.schema.json").read_text(encoding="utf-8"))


def cost(candidate, metric):
    return next(c["value"] for c in candidate["costs"] if c["metric"] == metric)


def dominates(a, b, metric):
    costs = cost(a, metric), cost(b, metric)
    accuracies = a["search"]["accuracy"], b["search"]["accuracy"]
    return costs[0] <= costs[1] and accuracies[0] >= accuracies[1] and (
        costs[0] < costs[1] or accuracies[0] > accuracies[1])


def brute_force_front(candidates, metric):
    """No other is better; of those alike in both only the first; by rising cost."""
    front = []
    for i, a in enumerate(candidates):
        alike = [b for b in candidates[:i]
                 if cost(a, metric) == cost(b, metric) and a["search"]["accuracy"] == b["search"]["accuracy"]]
        if not alike and not any(dominates(b, a, metric) for b in candidates):
            front.append(a)
    return sorted(front, key=lambda c: cost(c, metric))


def without_names(candidates):
    return [{k: v for k, v in c.items() if k != "name"} for c in candidates]


class SearchTest(harness.EndToEndTest):
    def test_one_search_end_to_end(self):
        self.serve()
        watched = self.precis("submit", "-", "--watch", "-o", "json", stdin=harness.TINY_JOB, code=0)
        self.check_plain_progress(watched.err)
        job = watched.json()
        name = job["name"]
        self.assertEqual(job["state"], "succeeded")
        self.assertEqual(job, self.job("latest"))
        self.assertEqual([j["name"] for j in self.precis("list", "-o", "json", code=0).json()], [name])

        candidates = self.precis("candidates", name, "-o", "json", code=0).json()
        self.check_candidates(job, candidates)
        self.check_fronts(name, candidates)
        self.check_exports(job, candidates)
        self.check_equal_seed(candidates)
        self.check_delete(name)

    def check_plain_progress(self, text):
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\r", text)
        self.assertRegex(text, r"Submitted jobs/\w+")
        for phase in ("warmup", "search", "frozen", "finish"):
            self.assertRegex(text, re.compile(rf"^{phase} ", re.M))

    def check_candidates(self, job, candidates):
        labels = [c["label"] for c in candidates if c["origin"] != "sampled"]
        for label in ("uniform int4", "uniform int8"):
            self.assertIn(label, labels)
        finals = [c for c in candidates if c["origin"] == "final"]
        self.assertEqual([c["name"] for c in finals], [job["result"]["final_candidate"]])
        final = finals[0]
        self.assertTrue(final["feasible"])
        self.assertLessEqual(cost(final, "bops"), job["plan"]["target"])
        self.assertEqual(final["test"]["images"], 10000)
        best = max(c["search"]["accuracy"] for c in candidates if c["feasible"])
        self.assertEqual(final["search"]["accuracy"], best, "a search never returns less than the simple answer")
        for candidate in candidates:
            self.assertEqual(candidate["search"]["images"], 500)
            self.assertEqual(candidate["step"], job["plan"]["total_steps"], "all under the final weights")
            self.assertEqual(candidate["feasible"], cost(candidate, "bops") <= job["plan"]["target"])
            for layer in candidate["layers"]:
                self.assertIn(layer["weight"], ("int4", "int8"))
        texts = [json.dumps(c["layers"]) for c in candidates]
        self.assertEqual(len(set(texts)), len(texts), "one configuration is one candidate")
        # Pages and orders of the real server.
        ordered = self.precis("candidates", job["name"], "--order-by", "cost desc", "-o", "json", code=0).json()
        self.assertEqual([cost(c, "bops") for c in ordered], sorted((cost(c, "bops") for c in candidates), reverse=True))
        feasible = self.precis("candidates", job["name"], "--feasible", "-o", "json", code=0).json()
        self.assertEqual(feasible, [c for c in candidates if c["feasible"]])

    def check_fronts(self, name, candidates):
        for metric in ("bops", "model_size"):
            front = self.precis("pareto", name, "--metric", metric, "-o", "json", code=0).json()
            self.assertEqual(front, brute_force_front(candidates, metric))
        self.assertEqual(self.precis("pareto", name, "-o", "json", code=0).json(), brute_force_front(candidates, "bops"))
        feasible = self.precis("pareto", name, "--feasible", "-o", "json", code=0).json()
        self.assertEqual(feasible, brute_force_front([c for c in candidates if c["feasible"]], "bops"))
        table = self.precis("pareto", name, code=0).out
        for shown in ("uniform int4", "uniform int8", "OF TARGET", "*"):
            self.assertIn(shown, table)

    def check_exports(self, job, candidates):
        path = self.folder / "export.json"
        self.precis("export", job["name"], "--format", "json", "-o", path, code=0)
        first = path.read_bytes()
        document = json.loads(first)
        jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft7Validator)
        final = next(c for c in candidates if c["origin"] == "final")
        self.assertEqual(document["provenance"]["candidate"], final["name"])
        self.assertEqual(document["provenance"]["plan_fingerprint"], job["plan"]["fingerprint"])
        self.assertEqual(document["provenance"]["seed"], 7)
        self.assertEqual([(e["name"], e["weight"]["format"], e["activation"]["format"]) for e in document["layers"]],
                         [(e["layer"], e["weight"], e["activation"]) for e in final["layers"]])
        self.assertEqual({c["metric"]: c["value"] for c in document["costs"]},
                         {c["metric"]: c["value"] for c in final["costs"]})
        self.assertEqual(document["accuracy"]["candidate"], {"search": final["search"], "test": final["test"]})
        self.assertEqual(document["accuracy"]["float"]["test"], job["result"]["float_test"])
        self.assertGreaterEqual(len(document["accuracy"]["references"]), 2)
        self.assertEqual(self.precis("export", job["name"], code=0).out.encode(), first, "the same bytes again")

        limit = min(cost(c, "bops") for c in candidates)
        self.precis("export", job["name"], "--max-cost", str(limit), "-o", path, code=0)
        cheapest = json.loads(path.read_bytes())
        jsonschema.validate(cheapest, SCHEMA, cls=jsonschema.Draft7Validator)
        self.assertEqual(cheapest["costs"][0]["value"], limit)
        self.assertIn("the cheapest costs", self.precis("export", job["name"], "--max-cost", str(limit - 1), code=1).err)
        self.assertIn("Did you mean", self.precis("export", job["name"], "--format", "jsn", code=64 + 3).err)
        self.assertEqual(self.precis("export", job["name"], "--candidate", "9999").code, 64 + 5)

    def check_equal_seed(self, candidates):
        name = self.submit(harness.TINY_JOB)
        self.precis("watch", name, code=0)
        again = self.precis("candidates", name, "-o", "json", code=0).json()
        self.assertEqual(without_names(again), without_names(candidates))

    def check_delete(self, name):
        self.precis("delete", name, code=0)
        self.assertEqual(self.precis("get", name).code, 64 + 5)
        self.assertEqual(len(self.precis("list", "-o", "json", code=0).json()), 1)


if __name__ == "__main__":
    unittest.main()
