// A job as people read it.
//
// Threading: pure functions.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "precis/v1/job.pb.h"

namespace precis::client {

// "succeeded"; "unspecified" for a state this program does not know.
std::string StateName(v1::Job::State state);

// Name, state, model, data, target, result, what to do next: one "key  value" a line.
std::string JobText(const v1::Job& job);

// The same for a job that was only checked: what it would do.
std::string PlanText(const v1::Job& job);

// "2026-01-31 12:34:56 UTC"; "" for the epoch.
std::string TimeText(const google::protobuf::Timestamp& time);

// Seconds from a to b.
double SecondsBetween(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b);

// Unit of the job's constrained metric, "" if it is not known.
std::string ConstrainedUnit(const v1::Plan& plan);

// Its name; of a file the path and where the search starts, or the file's name alone.
std::string ModelText(const v1::ModelSpec& model);
std::string ModelName(const v1::ModelSpec& model);

// "0.2357 GBOPs (1.1x int4)": what was asked for beside it, where that is not the figure itself.
std::string TargetText(const v1::Job& job);
// As it was asked for, in a few characters: "1.1x int4", "8 targets".
std::string AskedTarget(const v1::CostSpec& cost);

}  // namespace precis::client
