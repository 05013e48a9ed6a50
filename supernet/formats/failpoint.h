// Failpoints: places by name at which tests end the process, beside everything that is meant to last. They
// are compiled into programs of the tests alone (tests/faults); anywhere else there is nothing.
//
//   PRECIS_FAILPOINT("finish/stored");   // AREA/WHAT HAS JUST BEEN DONE
#pragma once

#ifdef PRECIS_FAILPOINTS
namespace precis {
// tests/faults/failpoint.cc. May not return. Thread-safe.
void PassFailpoint(const char* name);
}  // namespace precis
#define PRECIS_FAILPOINT(name) ::precis::PassFailpoint(name)
#else
#define PRECIS_FAILPOINT(name) static_cast<void>(0)
#endif
