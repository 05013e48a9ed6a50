// What the server knows by name: formats, costs, models and data sets, as answers on the wire.
//
// Threading: pure functions.
#pragma once

#include "precis/v1/search_service.pb.h"

namespace precis::server {

v1::ListFormatsResponse FormatCatalogue();
v1::ListCostsResponse CostCatalogue();
v1::ListModelsResponse ModelCatalogue();

}  // namespace precis::server
