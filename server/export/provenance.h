// What every export says of where a model comes from and what it takes.
//
// Threading: pure functions.
#pragma once

#include <string>

#include "search/plan.h"

namespace precis::server {

// Of the model's input: "grey", "rgb" or "bgr".
std::string ChannelOrderName(const search::Plan& plan);

// Of the file that the model was read from, without folders; "" for a network by name.
std::string ModelFileName(const search::Plan& plan);

}  // namespace precis::server
