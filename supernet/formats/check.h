// PRECIS_CHECK: stops the process when one of our own invariants is broken. Never for a user's mistake.
#pragma once

#include <cstdio>
#include <cstdlib>

#define PRECIS_CHECK(condition)                                                              \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
