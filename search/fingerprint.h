// The text that a plan's fingerprint is made of, and the hash.
#pragma once

#include <string>

#include "search/plan.h"

namespace precis::search {

// Everything that decides the result of a plan, one "name value" line each: data set, network, space, target,
// references, steps and all options, threads and device included. Left out: display_name and the data's
// path. Two plans with equal text on equal data give equal results. Begins with the version of this text.
std::string CanonicalText(const Plan& plan);

// Lower-case hex of the SHA-256 of `text`.
std::string Sha256Hex(const std::string& text);

}  // namespace precis::search
