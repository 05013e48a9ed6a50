// Conversions that several of convert's sources share. For convert's sources only.
#pragma once

#include "precis/v1/candidate.pb.h"
#include "precis/v1/job.pb.h"
#include "search/candidate.h"
#include "server/convert_enum.h"
#include "supernet/graph/oracle.h"

namespace precis::server {

inline constexpr EnumRow<v1::Candidate::Origin, search::Origin> kOrigins[] = {
    {v1::Candidate::SAMPLED, search::Origin::kSampled},
    {v1::Candidate::REFERENCE, search::Origin::kReference},
    {v1::Candidate::FINAL, search::Origin::kFinal},
};

inline v1::Candidate::Origin OriginToWire(search::Origin origin) { return ToWire(kOrigins, origin); }

inline v1::Quality QualityToWire(const Quality& quality) {
  v1::Quality wire;
  wire.set_accuracy(quality.accuracy);
  wire.set_loss(quality.loss);
  wire.set_images(quality.images);
  return wire;
}

inline Quality QualityFromWire(const v1::Quality& wire) {
  return {.accuracy = wire.accuracy(), .loss = wire.loss(), .images = wire.images()};
}

}  // namespace precis::server
