// Refinement: measures around an answer and moves on to a better one.
//
// A screening tells what each option does while all other layers have their widest formats. At the answer
// itself the layers are narrow and have been trained so, which changes what the next bit of each is worth. A
// refinement measures, on the same images every time, the answer and every answer that differs from it in one
// decision by one step of cost (the options of the next lower and the next higher cost, and those of equal
// cost); solves for the best within the budget with these effects, in place of the screened ones; measures
// the solution, and takes it if its loss is lower than the answer's. Options further off keep their screened
// distance to the nearest measured one, so that the solution cannot run away on what nobody measured: a trust
// region of one step.
//
// Threading: not thread-safe; the search loop owns it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "search/controller/controller.h"
#include "search/effects.h"
#include "search/oracle_session.h"
#include "search/plan.h"

namespace precis::search {

class Refinement {
 public:
  // `plan` must outlive this. screened: [decision][option], as Screening::effects.
  Refinement(const Plan& plan, const Effects& screened);

  // The better of `answer` and what is found around it within `budget`, both by loss on the same images.
  // Keeps the effects for Effects.
  absl::StatusOr<Choices> Improve(OracleSession& session, const Choices& answer, double budget);

  // Added quality of every option as known by now: screened, or as last measured around an answer.
  const Effects& effects() const { return effects_; }

  // Images that one Improve takes on a plan of distinct costs.
  static double ImagesOf(const Plan& plan);

 private:
  Effects EffectsAround(const Choices& answer, const Effects& measured) const;
  bool IsNear(size_t decision, int from, size_t to) const;

  const Plan& plan_;
  const Effects screened_;
  std::vector<std::vector<size_t>> levels_;  // [decision][option], rank of its cost
  Effects effects_;
};

}  // namespace precis::search
