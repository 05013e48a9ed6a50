// What is done to trained weights before they are rounded, where nothing is trained. Plain values.
//
// Threading: values.
#pragma once

#include <vector>

namespace precis {

// None needs labels. The first two rewrite the weights once and leave the float network the function it is;
// the others depend on a configuration, and are done anew for every one that is counted.
enum class Technique {
  kEqualization,     // channels of neighbouring layers take weights of equal range (Nagel et al. 2019)
  kSmooth,           // part of the range of activations moves into weights (Xiao et al. 2022, SmoothQuant)
  kBiasCorrection,   // what rounding shifts in the mean of a channel is taken back (Nagel et al. 2019)
  kLearnedRounding,  // up or down is learned, layer by layer (Nagel et al. 2020, AdaRound)
  kGptq,             // columns are rounded in turn; those left make up for it (Frantar et al. 2022, GPTQ)
};

// "equalization", "smooth", "bias_correction", "learned_rounding", "gptq".
const char* TechniqueName(Technique technique);

struct PostTraining {
  std::vector<Technique> techniques = {};  // in any order, none twice
  double smooth_alpha = 0.5;               // of kSmooth: the share that moves, 0…1

  bool Has(Technique technique) const;
  // Whether any depends on the formats.
  bool DependsOnFormats() const;
};

}  // namespace precis
