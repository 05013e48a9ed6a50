// Search spaces with a name. A preset is nothing but a list of formats that anyone can write out; its name
// may stand in a job's space.formats among other names: [int-s, bf16].
//
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace precis::search {

struct SpacePreset {
  std::string name;         // "int-s"; no format has a "-" in its name
  std::string description;  // one line: what, and after whom
  std::vector<std::string> formats;
};

// int-s   int4, int8: FLIQS-S of the authors' experiments.
// int-l   int4 to int8: FLIQS-L.
// fp-s    e2m1, e4m3: FLIQS-S of floats, as the published costs of ResNet-18 prove.
// fp-l    e2m1, e2m2, e3m1, e2m3, e3m2, e3m3, e4m2, e3m4, e4m3: one or two splits of the bits at every width
//         from 4 to 8. The paper's own list of FLIQS-L floats is not published; this one keeps to exponents
//         of 2 to 4 bits, which 4-bit and 8-bit training needs, and leaves out what has no mantissa.
// mixed   int4 to int8, and of floats the best known at each width: e2m1, e2m2, e3m2, e3m3, e4m3.
// mx      OCP's MX formats and MXINT4: mxint4, mxfp4, mxfp6, mxint8, mxfp8.
// nv      nvint4, nvfp4, and e4m3fn to fall back on, as NVIDIA's tools pair them.
const std::vector<SpacePreset>& SpacePresets();

// Null for a name that is none.
const SpacePreset* FindSpacePreset(std::string_view name);

}  // namespace precis::search
