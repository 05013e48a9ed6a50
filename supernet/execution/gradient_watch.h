// GradientWatch: tells a gradient that exploded from one that is merely large.
//
// Under a harsh sample a layer may die (all its outputs round to one value); the batch norm behind it then
// divides by next to nothing, and the gradient is thousands of times the usual and points nowhere. Clipping
// makes such a step as long as a good one, so most of what a supernet learns would be noise; it is left out
// instead. Usual is the geometric mean of the norms of applied steps, a moving one over about 20 steps, but
// no less than the norm at which gradients are clipped: once most batches are learnt, the one that is not
// stands out. Refused steps raise it by little. A run of kLastingRun refused steps is no explosion but a
// change, as when the widest formats give way to narrow ones: what was usual is then learnt anew.
//
// Threading: not thread-safe.
#pragma once

#include <cstdint>

namespace precis {

class GradientWatch {
 public:
  static constexpr int64_t kLastingRun = 10;

  // factor: how many times the usual norm is too much, > 1; 0 accepts every finite norm. least_usual: >= 0.
  GradientWatch(double factor, double least_usual) : factor_(factor), least_usual_(least_usual) {}

  // Whether a step of this gradient norm is to be applied; learns from it. Never where `norm` is not finite.
  // The first finite norm is accepted.
  bool Accepts(double norm);

  void Reset() { known_ = {}; }

  // What it has learnt.
  struct Known {
    double usual_log = 0;     // natural logarithm of the usual norm
    int64_t steps = 0;        // applied
    int64_t refused_run = 0;  // refused since the last applied one
  };
  const Known& known() const { return known_; }
  void Restore(const Known& known) { known_ = known; }

 private:
  double factor_;
  double least_usual_;
  Known known_;
};

}  // namespace precis
