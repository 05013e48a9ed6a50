// The thirteen progress columns that jobs and events share, in one order.
#pragma once

#include "server/store/records.h"
#include "server/store/sqlite_connection.h"

namespace precis::server {

inline constexpr char kProgressColumns[] =
    "phase, step, progress_steps, fraction, loss, train_accuracy, reward, cost, mean_entropy, "
    "mean_max_probability, rejected_steps, images_per_second, loader_wait_share";
inline constexpr char kProgressParameters[] = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?";

void BindProgress(Statement& statement, const search::Progress& progress);
search::Progress ReadProgress(Statement& row);

}  // namespace precis::server
