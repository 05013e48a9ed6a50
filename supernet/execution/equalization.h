// Equalisation and scale migration: factors of channels that move between layers (channel_groups.h) and leave
// the float network the function it is. Internal to supernet/execution.
//
// A batch norm takes a factor in its weight and bias, so that its statistics stay what they are; it is not
// folded. The weights of the layer before it so stay as they are too: formats with a scale a channel would
// not see it. Where several layers make or read a group, the largest of their ranges counts.
//
// Both set the same factors: after a migration it makes no difference whether the layers were equalised
// before.
//
// Threading: as Supernet; nobody else may use its parameters meanwhile.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "supernet/execution/channel_groups.h"
#include "supernet/execution/supernet.h"

namespace precis {

// Cross-layer equalisation (Nagel, van Baalen, Blankevoort and Welling 2019, arXiv 1906.04721): channel i of
// a group is multiplied by √(r2 / r1), r1 = max|weights that make it|, r2 = max|weights that read it|, until
// no factor is further than 0.05 from 1, 20 rounds at most. The weights of a layer with a batch norm behind
// it count as folded with the statistics of `norms`, which are not relative. Channels with a range up to 1e-9
// stay; so do groups made by a layer norm, or by a batch norm that is not behind a layer.
void EqualizeLayers(Supernet& net, const NormStatistics& norms);

// Scale migration (Xiao et al. 2022, SmoothQuant, arXiv 2211.10438): channel i of group g is divided by
// max|x|^alpha / max|w|^(1 - alpha), x what its consumers read and w the weights that read it. max_abs[g] is
// max|x|, {channels}, of groups[g] = FindChannelGroups(). Channels with either up to 1e-9 stay.
void MigrateScales(Supernet& net, const std::vector<ChannelGroup>& groups,
                   const std::vector<at::Tensor>& max_abs, double alpha);

}  // namespace precis
