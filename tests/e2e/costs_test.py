"""A search over a cost table of one's own within a second limit, and what is asked of its front afterwards: knee,
hypervolume, another target, another job beside it. Real processes throughout."""

import harness
import unittest

TABLE = """\
# unit: uJ
layer,weight,activation,cost
*,int4,int4,1.5
*,int8,int8,4
classifier,int4,int4,6
classifier,int8,int8,7
"""
JOB = harness.TINY_JOB.replace("cost: {target: 1.3x int4}", """\
cost:
  metric: table
  target: 1.3x int4
  table: costs.csv
  limits: [{metric: accumulator_bits, at_most: 1.1x int4}]
  report: [bops, asic-energy]
""")


def cost(candidate, metric):
    return next(c["value"] for c in candidate["costs"] if c["metric"] == metric)


class CostsTest(harness.EndToEndTest):
    def test_a_table_of_ones_own(self):
        self.serve()
        (self.folder / "costs.csv").write_text(TABLE, encoding="utf-8")
        job_file = self.folder / "job.yaml"
        job_file.write_text(JOB, encoding="utf-8")
        shown = self.precis("validate", job_file, code=0).out
        for metric in ("bops", "asic-energy", "accumulator_bits"):
            self.assertRegex(shown, rf"{metric} \S+ \S+ to ")
        job = self.precis("submit", job_file, "--watch", "-o", "json", code=0).json()
        self.assertEqual(job["state"], "succeeded", job["error"])
        self.assertEqual(job["spec"]["cost"]["table"], TABLE)
        listed = self.precis("list", "-o", "json", code=0).json()
        self.assertEqual([j["spec"]["cost"]["table"] for j in listed], [""])
        candidates = self.precis("candidates", job["name"], "-o", "json", code=0).json()
        self.check_costs(job, candidates)
        self.check_front(job, candidates)
        self.check_choices(job, candidates)
        self.check_comparison(job, job_file)

    def test_every_fault_of_a_table_has_its_line(self):
        self.serve("--worker", "/bin/false")
        (self.folder / "costs.csv").write_text("*,int8,-1\n*,int9,1\nstem.cnv,int8,1\n", encoding="utf-8")
        (self.folder / "job.yaml").write_text(JOB, encoding="utf-8")
        refused = self.precis("validate", self.folder / "job.yaml", code=1).err
        for words in ("line 1: the cost", "line 2: ", 'Did you mean "stem.conv"?', "has no cost of int4",
                      "job.yaml:8:3: cost.table: "):
            self.assertIn(words, refused)

    def check_costs(self, job, candidates):
        limits = {c["name"]: c["at_most"] for c in job["plan"]["costs"] if c["at_most"] is not None}
        self.assertEqual(set(limits), {"table", "accumulator_bits"})
        for candidate in candidates:
            expected = 0
            for layer in candidate["layers"]:
                wide = layer["weight"] == "int8"
                expected += (7 if wide else 6) if layer["layer"] == "classifier" else (4 if wide else 1.5)
            self.assertEqual(cost(candidate, "table"), expected)
            self.assertEqual([c["metric"] for c in candidate["costs"]],
                             ["bops", "asic-energy", "accumulator_bits", "table"])
            self.assertEqual(candidate["feasible"], all(cost(candidate, m) <= most for m, most in limits.items()))
        self.assertTrue(any(c["feasible"] for c in candidates))
        final = next(c for c in candidates if c["origin"] == "final")
        self.assertTrue(final["feasible"])

    def check_front(self, job, candidates):
        summary = self.precis("pareto", job["name"], "--summary", "--within", "1", "-o", "json", code=0).json()
        dearest = max(cost(c, "table") for c in candidates)
        self.assertEqual(summary["reference_cost"], dearest)
        area, steps = 0, sorted((cost(c, "table"), c["search"]["accuracy"]) for c in summary["candidates"])
        for (low, accuracy), (high, _) in zip(steps, steps[1:] + [(dearest, 0)]):
            area += (high - low) * accuracy
        self.assertAlmostEqual(summary["hypervolume"], area / dearest)
        best = max(c["search"]["accuracy"] for c in candidates)
        near = [c for c in candidates if c["search"]["accuracy"] >= best - 0.01 - 1e-12]
        self.assertEqual(min(cost(c, "table") for c in near),
                         cost(next(c for c in candidates if c["name"] == summary["cheapest_within"]), "table"))

    def check_choices(self, job, candidates):
        middle = sorted(cost(c, "bops") for c in candidates)[len(candidates) // 2]
        choice = self.precis("choose", job["name"], "--metric", "bops", "--target", str(middle), "-o", "json",
                             code=0).json()
        accumulators = next(c["at_most"] for c in job["plan"]["costs"] if c["name"] == "accumulator_bits")
        within = [c for c in candidates if cost(c, "bops") <= middle and cost(c, "accumulator_bits") <= accumulators]
        self.assertEqual(choice["candidate"]["search"]["accuracy"], max(c["search"]["accuracy"] for c in within))
        uniform = next(c for c in candidates if c["label"] == "uniform int4")
        relative = self.precis("choose", job["name"], "--target", "1x int4", "-o", "json", code=0).json()
        self.assertEqual(relative["target"], cost(uniform, "table"))
        refused = self.precis("choose", job["name"], "--target", "1 uJ", code=1).err
        self.assertIn("no candidate of", refused)
        self.assertIn(" uJ to ", refused)

    def check_comparison(self, job, job_file):
        other = self.precis("submit", job_file, "--set", "cost.target=1.2x int4", "--watch", "-o", "json", code=0).json()
        compared = self.precis("compare", job["name"], other["name"], "-o", "json", code=0).json()
        self.assertEqual(compared["unit"], "uJ")
        for row in compared["rows"]:
            for name, accuracy in zip((job["name"], other["name"]), row["accuracies"]):
                front = self.precis("pareto", name, "-o", "json", code=0).json()
                known = [c["search"]["accuracy"] for c in front if cost(c, "table") <= row["cost"]]
                self.assertEqual(accuracy, max(known) if known else None)
        text = self.precis("compare", job["name"], other["name"], code=0).out
        self.assertIn("Hypervolume of the rectangle up to", text)


if __name__ == "__main__":
    unittest.main()
