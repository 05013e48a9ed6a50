// Names and membership.
#include "supernet/graph/post_training.h"

#include <algorithm>

namespace precis {

const char* TechniqueName(Technique technique) {
  switch (technique) {
    case Technique::kEqualization:
      return "equalization";
    case Technique::kSmooth:
      return "smooth";
    case Technique::kBiasCorrection:
      return "bias_correction";
    case Technique::kLearnedRounding:
      return "learned_rounding";
    case Technique::kGptq:
      return "gptq";
  }
  return "unknown";
}

bool PostTraining::Has(Technique technique) const {
  return std::find(techniques.begin(), techniques.end(), technique) != techniques.end();
}

bool PostTraining::DependsOnFormats() const {
  return Has(Technique::kBiasCorrection) || Has(Technique::kLearnedRounding) || Has(Technique::kGptq);
}

}  // namespace precis
