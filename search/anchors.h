// Anchors: whole architectures that are measured, since effects of single choices add up only near where they
// were screened, and the largest architecture, where that was, is far from what a budget allows.
//
// Threading: changes the generator and the session.
#pragma once

#include <random>

#include "absl/status/statusor.h"
#include "search/controller/controller.h"
#include "search/effects.h"
#include "search/oracle_session.h"
#include "search/plan.h"

namespace precis::search {

// Architectures that BestAnchor tries beside the answer.
constexpr int64_t kAnchors = 19;

// The best by loss, on the same images, of `answer` and of the smallest, the network's own, the largest and
// random architectures, each with the formats that the effects hold best for it within the budget; those that
// no formats bring within it are left out. Precondition: the plan has an elastic network.
absl::StatusOr<Choices> BestAnchor(const Plan& plan, OracleSession& session, const Effects& effects,
                                   const Choices& answer, double budget, std::mt19937_64& generator);

}  // namespace precis::search
