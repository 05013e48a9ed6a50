// What can be wrong with a job's data before its files are looked at.
#pragma once

#include "search/job_spec.h"
#include "search/range_check.h"
#include "search/violation.h"

namespace precis::search {

// `dataset` as far as it is known: null, or without sizes.
void CheckData(const DataSpec& data, const DatasetInfo* dataset, RangeCheck& check, Violations& violations);

}  // namespace precis::search
