// How many threads can run at once.
#pragma once

namespace precis {

// The cores that this process may use, which a cpuset or taskset can make fewer than there are. At least 1.
int AvailableCores();

}  // namespace precis
