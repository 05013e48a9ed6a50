// The presets as a table.
#include "search/space_preset.h"

namespace precis::search {

const std::vector<SpacePreset>& SpacePresets() {
  static const auto& presets = *new std::vector<SpacePreset>{
      {"int-s", "two widths of integers (FLIQS-S)", {"int4", "int8"}},
      {"int-l", "integers of 4 to 8 bits (FLIQS-L)", {"int4", "int5", "int6", "int7", "int8"}},
      {"fp-s", "two widths of floats (FLIQS-S)", {"e2m1", "e4m3"}},
      {"fp-l",
       "floats of 4 to 8 bits",
       {"e2m1", "e2m2", "e3m1", "e2m3", "e3m2", "e3m3", "e4m2", "e3m4", "e4m3"}},
      {"mixed",
       "integers and floats of 4 to 8 bits",
       {"int4", "e2m1", "int5", "e2m2", "int6", "e3m2", "int7", "e3m3", "int8", "e4m3"}},
      {"mx",
       "blocks of 32 with a power of two as scale (OCP MX)",
       {"mxint4", "mxfp4", "mxfp6", "mxint8", "mxfp8"}},
      {"nv", "blocks of 16 with an e4m3 scale, and e4m3fn to fall back on", {"nvint4", "nvfp4", "e4m3fn"}},
  };
  return presets;
}

const SpacePreset* FindSpacePreset(std::string_view name) {
  for (const SpacePreset& preset : SpacePresets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

}  // namespace precis::search
