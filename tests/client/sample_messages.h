// A job and candidates as a server would send them, and comparison with golden files.
#pragma once

#include <string>
#include <vector>

#include "precis/v1/candidate.pb.h"
#include "precis/v1/job.pb.h"

namespace precis::client {

// "jobs/abc", SUCCEEDED, two metrics, target 0.2357 GBOPs; its answer is candidate 4.
v1::Job SampleJob();

// Numbers 1 to 5: two uniform references, two sampled ones, the answer (number 4).
std::vector<v1::Candidate> SampleCandidates();

// Fails the test unless `text` is the golden file's; PRECIS_REWRITE_GOLDEN=1 rewrites it.
void ExpectGolden(const std::string& text, const std::string& file);

}  // namespace precis::client
